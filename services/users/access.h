// What the gateway asks: who may do what. And the tenants, whose state and plan are part of the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/problem.h"
#include "users/change_feed.h"

namespace lotagate::users {

// The answer of GET /internal/v1/users/{subject}/access (docs/user-management-contract.yaml).
struct Access {
  std::string subject;
  std::string tenant;
  std::string plan;
  std::vector<std::string> roles;
  std::vector<std::string> permissions;  // of all roles, each once
  std::int64_t revision = 0;             // of the change feed; the answer reflects every change up to it
  bool disabled = false;                 // the account is, or its tenant is suspended
};

struct Tenant {
  std::string id;
  std::string plan;   // free, pro, enterprise
  std::string state;  // active, suspended
};

class AccessDirectory {
 public:
  AccessDirectory(services::Database& database, ChangeFeed& changes) : database_(database), changes_(changes) {}

  // Nothing for an unknown subject.
  std::optional<Access> access(std::string_view subject);

  std::vector<Tenant> tenants();
  // Creates the tenant (true) or changes it (false). Its users' access changes with it. `plan` and `state` are known.
  bool put_tenant(const Tenant& tenant);

 private:
  services::Database& database_;
  ChangeFeed& changes_;
};

}  // namespace lotagate::users
