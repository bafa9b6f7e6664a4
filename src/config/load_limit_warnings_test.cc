// Limits that load and do not do what they seem to: the operator is told.
#include <gtest/gtest.h>

#include <string>

#include "config/test_load_errors.h"

namespace lotagate::config {
namespace {

class LimitWarnings : public LoadErrors {
 protected:
  static constexpr std::string_view kLimit = "{ key: user, tokens: 100, refill: 50/s }";
  static constexpr std::string_view kService =
      "authorization:\n  user_management: { url: \"http://127.0.0.1:7001\", token_file: service.token }\n";
  static constexpr std::string_view kNeedsUsers = "require: { GET: users:read, \"*\": users:write }";

  // The one limit of the good file, on its line 19 at column 13.
  Messages limit(std::string_view text) { return warnings({{kLimit, text}}); }
  // The same two lines higher up, in a file without User Management Service.
  Messages without_service(std::string_view text, std::string_view issuer = "    - issuer: https://issuer.example") {
    return warnings(
        {{kLimit, text}, {kService, ""}, {kNeedsUsers, ""}, {"    - issuer: https://issuer.example", issuer}});
  }
};

TEST_F(LimitWarnings, PlansThatNobodyHas) {
  constexpr std::string_view kPlans = "{ by: plan, cases: { pro: 5/s, '*': 1/s } }";
  EXPECT_EQ(limit(kPlans), Messages{});
  EXPECT_EQ(without_service(kPlans),
            Messages{"17:19 nobody has a plan without `authorization.user_management`: everybody "
                     "has the case `\"*\"`"});
  EXPECT_EQ(without_service("{ by: role, cases: { pro: 5/s, '*': 1/s } }"), Messages{});
}

TEST_F(LimitWarnings, TenantsThatNobodyHas) {
  constexpr std::string_view kTenant = "{ key: [ route, tenant ], rate: 5/s }";
  EXPECT_EQ(limit(kTenant), Messages{});
  EXPECT_EQ(without_service(kTenant),
            Messages{"17:29 nobody has a tenant without `authorization.user_management` or an "
                     "issuer's `tenant_claim`: the user stands in, or the address"});
  EXPECT_EQ(without_service(kTenant, "    - issuer: https://issuer.example\n      tenant_claim: org"), Messages{});
}

TEST_F(LimitWarnings, LimitsThatHoldForNobody) {
  EXPECT_EQ(limit("{ by: role, cases: { a: unlimited, '*': unlimited } }"),
            Messages{"19:25 limits nobody: every case is unlimited"});
  EXPECT_EQ(limit("{ by: role, cases: { a: unlimited, '*': 1/s } }"), Messages{});
  EXPECT_EQ(limit("{ rate: 5/s, exempt: { addresses: [ 10.0.0.0/8, 0.0.0.0/0 ] } }"),
            Messages{"19:47 exempts everybody: the limit holds for nobody"});
  EXPECT_EQ(limit("{ rate: 5/s, exempt: { addresses: [ '::/0' ] } }"),
            Messages{"19:47 exempts everybody: the limit holds for nobody"});
  EXPECT_EQ(limit("{ rate: 5/s, exempt: { addresses: [ 0.0.0.0/1, '::1' ] } }"), Messages{});
}

}  // namespace
}  // namespace lotagate::config
