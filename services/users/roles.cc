#include "users/roles.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/result.h"
#include "common/clock.h"
#include "common/http_query.h"
#include "common/http_revision.h"
#include "common/printable.h"
#include "common/secrets.h"
#include "users/change_note.h"
#include "users/news.h"
#include "users/permission.h"
#include "users/schema.h"
#include "users/tenants.h"
#include "users/words.h"

namespace lotagate::users {
namespace {

using services::Outcome;
using services::refuse;
using services::Rows;
using services::Transaction;

// Bounds what one tenant can make the service keep; far above what anybody can oversee.
constexpr std::int64_t kMaxRolesOfTenant = 200;

// The columns id, tenant, name, description, created_at, revision.
Role role_of(const Rows& rows) {
  return {.id = rows.text(0),
          .tenant = rows.text(1),
          .name = rows.text(2),
          .description = rows.text(3),
          .permissions = {},
          .created_at = rows.integer(4),
          .revision = rows.integer(5)};
}

void read_permissions(Transaction& transaction, Role& role) {
  Rows rows = transaction.query("SELECT permission FROM role_permissions WHERE role = ? ORDER BY permission",
                                {std::string_view(role.id)});
  while (rows.next()) role.permissions.push_back(rows.text(0));
}

void write_permissions(Transaction& transaction, std::string_view role, const std::vector<std::string>& permissions) {
  transaction.run("DELETE FROM role_permissions WHERE role = ?", {role});
  for (std::string_view permission : permissions) {
    transaction.run("INSERT INTO role_permissions (role, permission) VALUES (?, ?)", {role, permission});
  }
}

// The role as it is now, if the caller may change it.
Outcome<Role> changeable(Call& call, std::string_view id) {
  TRY_VOID(require(call.caller, "roles:write"));
  auto role = find_role(call.transaction, id, call.caller);
  if (!role) return refuse(404, "unknown_role", "There is no such role.");
  if (role->built_in()) return refuse(403, "built_in_role", "The built-in roles stay as they are.");
  TRY_VOID(services::match_revision(call.request, role->revision));
  return std::move(*role);
}

Outcome<void> name_is_free(Transaction& transaction, std::string_view name, std::string_view tenant) {
  if (!role_called(transaction, name, tenant)) return {};
  return refuse(409, "role_name_taken", fmt::format("There is a role `{}` already.", name));
}

}  // namespace

std::optional<Role> find_role(Transaction& transaction, std::string_view id, const Authority& caller) {
  std::optional<Role> role;
  {
    Rows rows = transaction.query(
        "SELECT id, tenant, name, description, created_at, revision FROM roles "
        "WHERE id = ? AND (? = 1 OR tenant IS NULL OR tenant = ?)",
        {id, std::int64_t{caller.is_admin}, std::string_view(caller.tenant)});
    if (rows.next()) role = role_of(rows);
  }
  if (role) read_permissions(transaction, *role);
  return role;
}

std::optional<Role> role_called(Transaction& transaction, std::string_view name, std::string_view tenant) {
  std::optional<Role> role;
  {
    Rows rows = transaction.query(
        "SELECT id, tenant, name, description, created_at, revision FROM roles "
        "WHERE name = ? AND (tenant IS NULL OR tenant = ?)",
        {name, tenant});
    if (rows.next()) role = role_of(rows);
  }
  if (role) read_permissions(transaction, *role);
  return role;
}

std::vector<Role> list_roles(Transaction& transaction, const Authority& caller, std::string_view tenant,
                             std::string_view after, std::int64_t limit) {
  if (!tenant.empty() && !caller.sees(tenant)) return {};
  std::vector<Role> roles;
  {
    Rows rows = transaction.query(
        "SELECT id, tenant, name, description, created_at, revision FROM roles "
        "WHERE id > ? AND (? = 1 OR tenant IS NULL OR tenant = ?) AND (? = '' OR tenant = ?) ORDER BY id LIMIT ?",
        {after, std::int64_t{caller.is_admin}, std::string_view(caller.tenant), tenant, tenant, limit});
    while (rows.next()) roles.push_back(role_of(rows));
  }
  for (Role& role : roles) read_permissions(transaction, role);
  return roles;
}

Outcome<void> may_give(const Authority& caller, const std::vector<std::string>& permissions) {
  for (const std::string& permission : permissions) {
    if (caller.holds(permission)) continue;
    return refuse(403, "escalation",
                  fmt::format("You do not hold the permission `{}`, so you cannot give it.", permission));
  }
  return {};
}

Outcome<void> may_grant(const Authority& caller, const Role& role) {
  if (role.id == kAdminRole) return require_admin(caller);
  return may_give(caller, role.permissions);
}

Outcome<Role> create_role(Call& call, const NewRole& wanted) {
  TRY_VOID(require(call.caller, "roles:write"));
  if (wanted.tenant != call.caller.tenant) TRY_VOID(require_admin(call.caller));
  auto permissions = in_order(wanted.permissions);
  TRY_VOID(may_give(call.caller, permissions));
  std::string_view tenant = wanted.tenant;
  if (!services::is_id(tenant) || !find_tenant(call.transaction, tenant)) {
    return refuse(422, "unknown_tenant",
                  fmt::format("There is no tenant `{}`.", services::printable(tenant, services::kMaxEchoBytes)));
  }
  TRY_VOID(name_is_free(call.transaction, wanted.name, tenant));
  {
    Rows rows = call.transaction.query("SELECT count(*) FROM roles WHERE tenant = ?", {tenant});
    rows.next();
    if (rows.integer(0) >= kMaxRolesOfTenant) {
      return refuse(409, "too_many_roles", fmt::format("A tenant has at most {} roles.", kMaxRolesOfTenant));
    }
  }
  std::string id = services::random_id("rol_");
  call.transaction.run("INSERT INTO roles (id, tenant, name, description, created_at) VALUES (?, ?, ?, ?, ?)",
                       {std::string_view(id), tenant, std::string_view(wanted.name),
                        std::string_view(wanted.description), services::now_seconds()});
  write_permissions(call.transaction, id, permissions);
  ChangeNote note;
  note.add("name", std::string(), wanted.name);
  note.add("permissions", {}, permissions);
  audit(call, {"role", id, tenant}, "create", note.take());
  auto role = find_role(call.transaction, id, call.caller);
  LG_CHECK(role.has_value(), "a role is there after it was written");
  return std::move(*role);
}

Outcome<Role> change_role(Call& call, std::string_view id, const RoleChange& change) {
  TRY(role, changeable(call, id));
  Role before = role;
  if (change.name && *change.name != role.name) {
    TRY_VOID(name_is_free(call.transaction, *change.name, role.tenant));
    role.name = *change.name;
  }
  if (change.description) role.description = *change.description;
  if (change.permissions) {
    role.permissions = in_order(*change.permissions);
    std::vector<std::string> added;
    std::ranges::set_difference(role.permissions, before.permissions, std::back_inserter(added));
    TRY_VOID(may_give(call.caller, added));
  }
  ChangeNote note;
  note.add("name", before.name, role.name);
  note.add("description", before.description, role.description);
  note.add("permissions", before.permissions, role.permissions);
  if (note.empty()) return role;

  call.transaction.run("UPDATE roles SET name = ?, description = ?, revision = revision + 1 WHERE id = ?",
                       {std::string_view(role.name), std::string_view(role.description), id});
  write_permissions(call.transaction, id, role.permissions);
  if (role.name != before.name || role.permissions != before.permissions) tell_holders(call, id);
  audit(call, {"role", id, role.tenant}, "change", note.take());
  role.revision += 1;
  return role;
}

Outcome<void> remove_role(Call& call, std::string_view id) {
  TRY(role, changeable(call, id));
  if (call.transaction.query("SELECT 1 FROM account_roles WHERE role = ? LIMIT 1", {id}).next()) {
    return refuse(409, "role_in_use", "Somebody still has this role.");
  }
  write_permissions(call.transaction, id, {});
  call.transaction.run("DELETE FROM roles WHERE id = ?", {id});
  ChangeNote note;
  note.add("name", role.name, std::string());
  audit(call, {"role", id, role.tenant}, "delete", note.take());
  return {};
}

}  // namespace lotagate::users
