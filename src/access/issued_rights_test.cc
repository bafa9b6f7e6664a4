#include "access/issued_rights.h"

#include <gtest/gtest.h>

#include "access/claims.h"

namespace lotagate::access {
namespace {

struct Read {
  Principal principal;
  std::string_view refusal;
};

Read read(std::string_view members, const RightsClaims& names, const std::vector<RolePermissions>& roles = {}) {
  Read out;
  auto claims = parse_claims(R"({"iss":"i","sub":"u","exp":1)" + std::string(members) + "}", 8192);
  EXPECT_TRUE(claims) << members;
  auto done = read_rights(*claims, names, roles, out.principal);
  if (!done) out.refusal = done.error();
  return out;
}

TEST(IssuedRights, AreReadFromTheConfiguredClaims) {
  RightsClaims names{.tenant = "org.id",
                     .roles = "realm_access.roles",
                     .permissions = "permissions",
                     .scopes = "scp",
                     .headers = {{"email", "X-Auth-Email"}, {"groups", "X-Auth-Groups"}, {"n", "X-Auth-N"}}};
  auto got = read(R"(,"org":{"id":"t-1"},"sid":"s-1","realm_access":{"roles":["viewer","trainer"]},)"
                  R"("permissions":["models:read","not a permission"],"scp":["a","b c"],"email":"a b@x",)"
                  R"("groups":["g1","g2"],"n":7)",
                  names, {{"trainer", {"models:write", "gpu:*"}}, {"other", {"*:*"}}});
  ASSERT_EQ(got.refusal, "");
  EXPECT_EQ(got.principal.tenant, "t-1");
  EXPECT_EQ(got.principal.session, "s-1");
  EXPECT_EQ(got.principal.roles, "viewer,trainer");
  EXPECT_EQ(got.principal.permissions, "models:read,models:write,gpu:*");
  EXPECT_EQ(got.principal.scopes, "a");
  EXPECT_EQ(got.principal.header_lines, "X-Auth-Email: a b@x\r\nX-Auth-Groups: g1,g2\r\nX-Auth-N: 7\r\n");
}

TEST(IssuedRights, ScopesAreTheWordsOfATextOrTheElementsOfAList) {
  auto scopes = [](std::string_view value) {
    auto got = read(R"(,"scope":)" + std::string(value), {.scopes = "scope"});
    EXPECT_EQ(got.refusal, "") << value;
    return got.principal.scopes;
  };
  EXPECT_EQ(scopes(R"("a b")"), "a b");
  EXPECT_EQ(scopes(R"("  a   b ")"), "a b");
  EXPECT_EQ(scopes(R"("")"), "");
  EXPECT_EQ(scopes(R"(["a","b"])"), "a b");
  EXPECT_EQ(scopes(R"(["read admin"])"), "");
  EXPECT_EQ(scopes(R"(["a","read admin",""," ","b "," b","c"])"), "a c");
}

TEST(IssuedRights, ClaimsForLimitsAreOneTextOrAListAndNeverBoth) {
  auto claim = [](std::string_view value) {
    auto claims = parse_claims(R"({"iss":"i","sub":"u","exp":1,"tier":)" + std::string(value) + "}", 8192);
    EXPECT_TRUE(claims) << value;
    return read_limit_claim(*claims, "tier");
  };
  EXPECT_EQ(claim(R"("gold")"), "gold");
  EXPECT_EQ(claim("7"), "7");
  EXPECT_EQ(claim(R"(["gold","x"])"), "gold\x1fx");
  EXPECT_EQ(claim(R"("gold,x")"), "gold,x");
  EXPECT_EQ(claim(R"("gold\u001fx")"), "");
  EXPECT_EQ(claim(R"(["gold\u001fx"])"), "");
  EXPECT_EQ(claim(R"({"a":1})"), "");
  EXPECT_EQ(claim("null"), "");
}

TEST(IssuedRights, WithoutClaimsThereAreNone) {
  auto got = read(R"(,"tenant":"t-1","roles":["admin"],"permissions":["*:*"])", {});
  EXPECT_EQ(got.refusal, "");
  EXPECT_EQ(got.principal.tenant + got.principal.roles + got.principal.permissions + got.principal.scopes +
                got.principal.header_lines,
            "");
}

TEST(IssuedRights, WhatIsMalformedRefusesTheToken) {
  RightsClaims names{.tenant = "tenant", .roles = "roles", .permissions = "permissions"};
  auto refusal = [&](std::string_view members) { return read(members, names).refusal; };
  EXPECT_EQ(refusal(R"(,"tenant":7)"), "claim_tenant_malformed");
  EXPECT_EQ(refusal(R"(,"tenant":"")"), "claim_tenant_malformed");
  EXPECT_EQ(refusal(R"(,"tenant":"a\nb")"), "claim_tenant_malformed");
  EXPECT_EQ(refusal(R"(,"tenant":["a","b"])"), "claim_tenant_malformed");
  EXPECT_EQ(refusal(R"(,"sid":{})"), "claim_sid_malformed");
  EXPECT_EQ(refusal(R"(,"roles":{"admin":true})"), "claim_roles_malformed");
  EXPECT_EQ(refusal(R"(,"roles":["viewer",7])"), "claim_roles_malformed");
  EXPECT_EQ(refusal(R"(,"permissions":[7])"), "claim_permissions_malformed");
  EXPECT_EQ(refusal(R"(,"scope":7)"), "claim_scope_malformed");
  std::string many = R"(,"roles":["r")";
  for (std::size_t i = 0; i < kMaxClaimEntries; ++i) many += R"(,"r")";
  EXPECT_EQ(refusal(many + "]"), "claim_roles_malformed");
}

// P08: a role that a service could read as two, or as none, is nobody's.
TEST(Attack, P08_ARoleThatDoesNotFitAListIsPassedOver) {
  for (std::string_view bad : {"a,admin", "a\\r\\nX-Role: admin", "", "Realm Manager", " admin", "\xC3\xA9"}) {
    auto got = read(R"(,"roles":["viewer",")" + std::string(bad) + R"("])", {.roles = "roles"},
                    {{"a", {"*:*"}}, {"admin", {"*:*"}}, {std::string(bad), {"*:*"}}});
    EXPECT_EQ(got.refusal, "") << bad;
    EXPECT_EQ(got.principal.roles, "viewer") << bad;
    EXPECT_EQ(got.principal.permissions, "") << bad;
  }
}

// P08: what could split a field or a list stays away; the client's own copy is gone all the same.
TEST(Attack, P08_AClaimThatDoesNotFitAFieldIsLeftOut) {
  RightsClaims names{.headers = {{"c", "X-Auth-C"}, {"ok", "X-Auth-Ok"}}};
  for (std::string_view bad :
       {R"("a\r\nX-Auth-Roles: admin")", R"("")", R"(" a")", R"("a ")", "\"\xC3\xA9\"", R"("a\u0000")", R"({"a":1})",
        R"(["a","b,c"])", R"(["b,c"])", R"(["a",{}])", R"([])", "null"}) {
    auto got = read(R"(,"ok":"yes","c":)" + std::string(bad), names);
    EXPECT_EQ(got.refusal, "") << bad;
    EXPECT_EQ(got.principal.header_lines, "X-Auth-Ok: yes\r\n") << bad;
  }
  auto got = read(R"(,"c":")" + std::string(kMaxClaimHeaderBytes, 'x') + R"(","ok":"a,b")", names);
  EXPECT_EQ(got.principal.header_lines, "X-Auth-Ok: a,b\r\n");
}

}  // namespace
}  // namespace lotagate::access
