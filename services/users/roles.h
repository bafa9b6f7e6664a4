// Roles: the built-in ones, which nobody changes, and those of a tenant.
//
// A tenant names its own roles, so two tenants may mean different things by one name. Towards the gateway such a role
// is `tenant/name`: no tenant can make itself a role that a route of the gateway requires of somebody else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "users/operations.h"

namespace lotagate::users {

struct Role {
  std::string id;      // `rol_...`; of a built-in one its name
  std::string tenant;  // empty: built in, for every tenant
  std::string name;    // unique in its tenant, and none of the built-in names
  std::string description;
  std::vector<std::string> permissions;  // in order, each once
  std::int64_t created_at = 0;           // seconds since 1970
  std::int64_t revision = 0;

  bool built_in() const { return tenant.empty(); }
};

struct NewRole {
  std::string tenant;
  std::string name;
  std::string description;
  std::vector<std::string> permissions;
};

// What an update sets; what is absent stays.
struct RoleChange {
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::vector<std::string>> permissions;
};

// A role that the caller can see: built in, or of his tenant.
std::optional<Role> find_role(services::Transaction& transaction, std::string_view id, const Authority& caller);
// The role that `name` means for accounts of `tenant`.
std::optional<Role> role_called(services::Transaction& transaction, std::string_view name, std::string_view tenant);
// Those that the caller can see, in the order of their ids; with `tenant`, only that tenant's.
std::vector<Role> list_roles(services::Transaction& transaction, const Authority& caller, std::string_view tenant,
                             std::string_view after, std::int64_t limit);

// Nobody gives what he does not hold himself: 403 unless the caller holds all of these.
services::Outcome<void> may_give(const Authority& caller, const std::vector<std::string>& permissions);
// Whether the caller may give the role to somebody. 403.
services::Outcome<void> may_grant(const Authority& caller, const Role& role);

// Problems: 403, 409 for a taken name or too many roles, 422 for an unknown tenant.
services::Outcome<Role> create_role(Call& call, const NewRole& wanted);
// Problems: 403, 404, 409 for a taken name, 412. Changes the access of everybody who has the role.
services::Outcome<Role> change_role(Call& call, std::string_view id, const RoleChange& change);
// Problems: 403, 404, 409 for a role that somebody has, 412.
services::Outcome<void> remove_role(Call& call, std::string_view id);

}  // namespace lotagate::users
