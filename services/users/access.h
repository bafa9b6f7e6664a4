// What the gateway asks: who may do what.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/database.h"

namespace lotagate::users {

// The answer of GET /internal/v1/users/{subject}/access (docs/user-management-contract.yaml).
struct Access {
  std::string subject;
  std::string tenant;
  std::string plan;
  std::vector<std::string> roles;        // built-in ones by name, those of the tenant as `tenant/name`
  std::vector<std::string> permissions;  // of all roles, each once
  std::int64_t revision = 0;             // of the change feed; the answer reflects every change up to it
  bool disabled = false;                 // the account is, or its tenant is suspended
  std::vector<std::string> revoked_sessions;
};

// Nothing for an unknown subject.
std::optional<Access> access_of(services::Transaction& transaction, std::string_view subject);

}  // namespace lotagate::users
