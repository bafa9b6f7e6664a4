#include "access/policy.h"

#include <gtest/gtest.h>

#include "access/principal.h"

namespace lotagate::access {
namespace {

Requirement compiled(std::vector<MethodRule> methods, bool owned = false) {
  auto requirement = compile_requirement(methods, owned);
  EXPECT_TRUE(requirement) << requirement.error();
  return requirement ? *requirement : Requirement{};
}

std::string refusal(std::vector<MethodRule> methods) {
  auto requirement = compile_requirement(methods, false);
  return requirement ? "" : requirement.error();
}

// A caller, with room for the texts that its standing points to.
struct Caller {
  std::string permissions = {};  // of the service, comma separated
  std::string roles = {};
  Principal token = {};
  std::string path_subject = {};
  std::optional<std::string> key = {};  // permissions of the API key; then there is no token

  std::string_view asks(const Requirement& requirement, std::string_view method) const {
    AccessGrant user;
    user.permissions = TextList(permissions);
    user.roles = TextList(roles);
    Standing standing{.subject = "u-1", .path_subject = path_subject, .token = key ? nullptr : &token, .user = &user};
    if (key) standing.key_permissions = TextList(*key);
    auto allowed = authorize(requirement, method, standing);
    if (!allowed) {
      EXPECT_EQ(allowed.error().code, ErrorCode::forbidden);
    }
    return allowed ? "allowed" : allowed.error().reason;
  }
};

Caller holding(std::string permissions) { return {.permissions = std::move(permissions)}; }

TEST(Policy, AMethodsOwnEntryComesBeforeTheFallback) {
  auto requirement = compiled({{.method = "*", .all = {"users:write"}}, {.method = "GET", .all = {"users:read"}}});
  EXPECT_EQ(holding("users:read").asks(requirement, "GET"), "allowed");
  EXPECT_EQ(holding("users:write").asks(requirement, "GET"), "missing_permission");
  EXPECT_EQ(holding("users:write").asks(requirement, "DELETE"), "allowed");
  EXPECT_EQ(holding("users:read").asks(requirement, "DELETE"), "missing_permission");
  EXPECT_EQ(holding("users:read").asks(requirement, "get"), "missing_permission") << "methods are case-sensitive";
}

TEST(Policy, AllOfAllAndOneOfAny) {
  auto all = compiled({{.method = "POST", .all = {"models:write", "gpu:use"}}});
  EXPECT_EQ(holding("models:write").asks(all, "POST"), "missing_permission");
  EXPECT_EQ(holding("models:*,gpu:use").asks(all, "POST"), "allowed");
  auto any = compiled({{.method = "POST", .any = {"models:write", "gpu:use"}}});
  EXPECT_EQ(holding("gpu:use").asks(any, "POST"), "allowed");
  EXPECT_EQ(holding("models:read").asks(any, "POST"), "missing_permission");
  auto both = compiled({{.method = "POST", .all = {"a:b"}, .any = {"c:d", "e:f"}}});
  EXPECT_EQ(holding("a:b").asks(both, "POST"), "missing_permission");
  EXPECT_EQ(holding("c:d").asks(both, "POST"), "missing_permission");
  EXPECT_EQ(holding("a:b,e:f").asks(both, "POST"), "allowed");
}

TEST(Policy, RolesAndScopes) {
  auto roles = compiled({{.method = "*", .roles = {"admin", "auditor"}}});
  EXPECT_EQ((Caller{.roles = "viewer,auditor"}.asks(roles, "GET")), "allowed");
  EXPECT_EQ((Caller{.roles = "viewer"}.asks(roles, "GET")), "missing_role");
  EXPECT_EQ((Caller{.token = {.subject = "u-1", .issuer = "i", .roles = "admin"}}.asks(roles, "GET")), "allowed");
  EXPECT_EQ((Caller{.token = {.subject = "u-1", .issuer = "i", .roles = "administrator"}}.asks(roles, "GET")),
            "missing_role");
  auto scopes = compiled({{.method = "*", .scopes = {"read", "write"}}});
  EXPECT_EQ((Caller{.token = {.subject = "u-1", .issuer = "i", .scopes = "write x read"}}.asks(scopes, "GET")),
            "allowed");
  EXPECT_EQ((Caller{.token = {.subject = "u-1", .issuer = "i", .scopes = "write"}}.asks(scopes, "GET")),
            "missing_scope");
}

TEST(Policy, ATokensPermissionsCountBesideTheServices) {
  auto requirement = compiled({{.method = "*", .all = {"models:read", "infer:run"}}});
  Caller caller{.permissions = "models:read", .token = {.subject = "u-1", .issuer = "i", .permissions = "x:y,infer:*"}};
  EXPECT_EQ(caller.asks(requirement, "GET"), "allowed");
  caller.token.permissions = "";
  EXPECT_EQ(caller.asks(requirement, "GET"), "missing_permission");
}

TEST(Policy, WhatIsNotOnesOwnNeedsThePermissionThatLiftsIt) {
  auto own =
      compiled({{.method = "GET", .owner_or = {"users:read"}}, {.method = "PUT", .all = {"profile:write"}}}, true);
  EXPECT_EQ((Caller{.path_subject = "u-1"}.asks(own, "GET")), "allowed");
  EXPECT_EQ((Caller{.path_subject = "u-2"}.asks(own, "GET")), "not_owner");
  EXPECT_EQ((Caller{.path_subject = ""}.asks(own, "GET")), "not_owner");
  EXPECT_EQ((Caller{.permissions = "users:read", .path_subject = "u-2"}.asks(own, "GET")), "allowed");
  // A permission that is required does not lift the ownership.
  EXPECT_EQ((Caller{.permissions = "profile:write", .path_subject = "u-2"}.asks(own, "PUT")), "not_owner");
  EXPECT_EQ((Caller{.permissions = "profile:write", .path_subject = "u-1"}.asks(own, "PUT")), "allowed");
  EXPECT_EQ((Caller{.path_subject = "u-1"}.asks(own, "PUT")), "missing_permission");
  EXPECT_EQ((Caller{.permissions = "*:*", .path_subject = "u-1"}.asks(own, "DELETE")), "method_not_permitted");
  EXPECT_EQ((Caller{.path_subject = "u-1"}.asks(compiled({}, true), "DELETE")), "allowed");
  EXPECT_EQ((Caller{.permissions = "*:*", .path_subject = "u-2"}.asks(compiled({}, true), "GET")), "not_owner");
}

TEST(Policy, AnApiKeyMayDoOnlyWhatItsPermissionsSay) {
  auto requirement = compiled({{.method = "*", .all = {"infer:run"}}});
  EXPECT_EQ((Caller{.permissions = "infer:run,users:write", .key = "infer:*"}.asks(requirement, "POST")), "allowed");
  EXPECT_EQ((Caller{.permissions = "infer:run", .key = "models:read"}.asks(requirement, "POST")), "missing_permission");
  EXPECT_EQ((Caller{.permissions = "models:read", .key = "*:*"}.asks(requirement, "POST")), "missing_permission");
  EXPECT_EQ((Caller{.permissions = "infer:run", .key = ""}.asks(requirement, "POST")), "missing_permission");
  // What is no permission takes a key that may do everything.
  auto roles = compiled({{.method = "*", .roles = {"admin"}}});
  EXPECT_EQ((Caller{.roles = "admin", .key = "infer:run"}.asks(roles, "GET")), "missing_role");
  EXPECT_EQ((Caller{.roles = "admin", .key = "*:*"}.asks(roles, "GET")), "allowed");
  EXPECT_EQ((Caller{.key = "*:*"}.asks(compiled({{.method = "*", .scopes = {"read"}}}), "GET")), "missing_scope");
  auto own = compiled({{.method = "*", .owner_or = {"users:write"}}}, true);
  EXPECT_EQ((Caller{.path_subject = "u-1", .key = "infer:run"}.asks(own, "POST")), "not_owner");
  EXPECT_EQ((Caller{.path_subject = "u-1", .key = "users:*"}.asks(own, "POST")), "allowed");
  EXPECT_EQ((Caller{.path_subject = "u-1", .key = "users:*"}.asks(compiled({}, true), "POST")), "not_owner");
}

TEST(Attack, U04_DeniedByDefault) {
  auto requirement = compiled({{.method = "GET", .all = {"models:read"}}});
  EXPECT_EQ(holding("*:*").asks(requirement, "POST"), "method_not_permitted") << "no entry, no fallback";
  EXPECT_EQ(holding("*:*").asks(requirement, "*"), "method_not_permitted");
  EXPECT_EQ(holding("").asks(requirement, "GET"), "missing_permission");
  EXPECT_EQ(holding("").asks(Requirement{}, "GET"), "allowed");
}

TEST(Policy, UnknownAndDisabledUsersAndEndedSessionsAreNobody) {
  auto verdict = [](const AccessGrant& user, std::string session) {
    Principal token{.subject = "u-1", .issuer = "i", .session = std::move(session)};
    auto checked = check_standing({.subject = "u-1", .token = &token, .user = &user});
    return checked ? std::string_view("ok") : checked.error().reason;
  };
  AccessGrant user;
  EXPECT_EQ(verdict(user, "s-1"), "ok");
  user.revoked_sessions = TextList("s-0\ns-1", kSessionSeparator);
  EXPECT_EQ(verdict(user, "s-1"), "session_ended");
  EXPECT_EQ(verdict(user, "s-2"), "ok");
  EXPECT_EQ(verdict(user, ""), "ok");
  EXPECT_EQ(verdict({.disabled = true}, ""), "disabled_user");
  EXPECT_EQ(verdict({.unknown = true}, ""), "unknown_user");
}

TEST(Attack, U02_ARequirementThatMeansNothingIsRefused) {
  EXPECT_EQ(refusal({{.method = "GET"}}), "method `GET` requires nothing");
  EXPECT_EQ(refusal({{.method = "GET", .all = {"models"}}}), "`models` is not a permission like `models:read`");
  EXPECT_EQ(refusal({{.method = "GET", .any = {"a:b", ""}}}), "`` is not a permission like `models:read`");
  EXPECT_EQ(refusal({{.method = "GET", .owner_or = {"a"}}}), "`a` is not a permission like `models:read`");
  EXPECT_EQ(refusal({{.method = "GET", .all = {"a:b"}}, {.method = "GET", .all = {"a:c"}}}),
            "method `GET` is named twice");
  EXPECT_EQ(refusal({{.method = "", .all = {"a:b"}}}), "`` is not a method");
  EXPECT_EQ(refusal({{.method = "GET POST", .all = {"a:b"}}}), "`GET POST` is not a method");
}

}  // namespace
}  // namespace lotagate::access
