// Tenants: organisations with a plan and a state. Only admins of the platform see and change them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "users/operations.h"

namespace lotagate::users {

struct Tenant {
  std::string id;
  std::string name;
  std::string plan;             // free, pro, enterprise
  std::string state;            // active, suspended: nobody of it may do anything
  std::int64_t created_at = 0;  // seconds since 1970
  std::int64_t revision = 0;
};

// What an update sets; what is absent stays.
struct TenantChange {
  std::optional<std::string> name;
  std::optional<std::string> plan;
  std::optional<std::string> state;
};

std::optional<Tenant> find_tenant(services::Transaction& transaction, std::string_view id);
// At most `limit`, in the order of their ids, beginning after `after`; empty filters match everything.
std::vector<Tenant> list_tenants(services::Transaction& transaction, std::string_view plan, std::string_view state,
                                 std::string_view after, std::int64_t limit);

// Problems: 409 for an id that is or was in use. `plan` and `state` are known ones.
services::Outcome<Tenant> create_tenant(Call& call, const Tenant& wanted);
// Problems: 404, 409 if nobody would be left who is an admin, 412. Its users' access changes with it.
services::Outcome<Tenant> change_tenant(Call& call, std::string_view id, const TenantChange& change);
// Problems: 404, 409 for a tenant that has accounts or roles, 412.
services::Outcome<void> remove_tenant(Call& call, std::string_view id);

// 409 unless somebody who can log in is an admin of the platform: called after a change that could have ended that.
services::Outcome<void> keep_an_admin(services::Transaction& transaction);

}  // namespace lotagate::users
