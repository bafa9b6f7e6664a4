#include "access/policy.h"

#include <gtest/gtest.h>

#include "access/access_grant.h"

namespace lotagate::access {
namespace {

Requirement compiled(std::vector<MethodPermissions> methods) {
  auto requirement = compile_requirement(methods);
  EXPECT_TRUE(requirement) << requirement.error();
  return requirement ? *requirement : Requirement{};
}

std::string refusal(std::vector<MethodPermissions> methods) {
  auto requirement = compile_requirement(methods);
  return requirement ? "" : requirement.error();
}

AccessGrant holding(std::string_view permissions) { return {.permissions = TextList(permissions)}; }

std::string_view verdict(const Requirement& requirement, std::string_view method, const AccessGrant& grant) {
  auto allowed = authorize(requirement, method, grant);
  if (!allowed) {
    EXPECT_EQ(allowed.error().code, ErrorCode::forbidden);
  }
  return allowed ? "allowed" : allowed.error().reason;
}

TEST(Policy, AMethodsOwnEntryComesBeforeTheFallback) {
  auto requirement = compiled({{"*", {"users:write"}}, {"GET", {"users:read"}}});
  EXPECT_EQ(verdict(requirement, "GET", holding("users:read")), "allowed");
  EXPECT_EQ(verdict(requirement, "GET", holding("users:write")), "missing_permission");
  EXPECT_EQ(verdict(requirement, "DELETE", holding("users:write")), "allowed");
  EXPECT_EQ(verdict(requirement, "DELETE", holding("users:read")), "missing_permission");
  EXPECT_EQ(verdict(requirement, "get", holding("users:read")), "missing_permission") << "methods are case-sensitive";
}

TEST(Policy, AllPermissionsOfAnEntryAreNeeded) {
  auto requirement = compiled({{"POST", {"models:write", "gpu:use"}}});
  EXPECT_EQ(verdict(requirement, "POST", holding("models:write")), "missing_permission");
  EXPECT_EQ(verdict(requirement, "POST", holding("models:*,gpu:use")), "allowed");
}

TEST(Attack, U04_DeniedByDefault) {
  auto requirement = compiled({{"GET", {"models:read"}}});
  EXPECT_EQ(verdict(requirement, "POST", holding("*:*")), "missing_permission") << "no entry, no fallback";
  EXPECT_EQ(verdict(requirement, "*", holding("*:*")), "missing_permission");
  EXPECT_EQ(verdict(requirement, "GET", holding("")), "missing_permission");
}

TEST(Policy, UnknownAndDisabledUsersPassNothing) {
  AccessGrant unknown = holding("*:*");
  unknown.unknown = true;
  AccessGrant disabled = holding("*:*");
  disabled.disabled = true;
  for (const auto& requirement : {Requirement{}, compiled({{"*", {"models:read"}}})}) {
    EXPECT_EQ(verdict(requirement, "GET", unknown), "unknown_user");
    EXPECT_EQ(verdict(requirement, "GET", disabled), "disabled_user");
  }
  EXPECT_EQ(verdict(Requirement{}, "GET", holding("")), "allowed");
}

TEST(Attack, U02_ARequirementThatMeansNothingIsRefused) {
  EXPECT_EQ(refusal({{"GET", {}}}), "method `GET` has no permission");
  EXPECT_EQ(refusal({{"GET", {"models"}}}), "`models` is not a permission like `models:read`");
  EXPECT_EQ(refusal({{"GET", {"models:read", ""}}}), "`` is not a permission like `models:read`");
  EXPECT_EQ(refusal({{"GET", {"a:b"}}, {"GET", {"a:c"}}}), "method `GET` is named twice");
  EXPECT_EQ(refusal({{"", {"a:b"}}}), "`` is not a method");
  EXPECT_EQ(refusal({{"GET POST", {"a:b"}}}), "`GET POST` is not a method");
}

}  // namespace
}  // namespace lotagate::access
