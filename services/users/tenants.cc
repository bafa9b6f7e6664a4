#include "users/tenants.h"

#include "base/check.h"
#include "base/result.h"
#include "common/clock.h"
#include "common/http_revision.h"
#include "users/change_note.h"
#include "users/news.h"
#include "users/schema.h"

namespace lotagate::users {
namespace {

using services::Outcome;
using services::refuse;
using services::Rows;
using services::Transaction;

// The columns id, name, plan, state, created_at, revision.
Tenant tenant_of(const Rows& rows) {
  return {.id = rows.text(0),
          .name = rows.text(1),
          .plan = rows.text(2),
          .state = rows.text(3),
          .created_at = rows.integer(4),
          .revision = rows.integer(5)};
}

// As it is now, if the request means this revision.
Outcome<Tenant> changeable(Call& call, std::string_view id) {
  TRY_VOID(require_admin(call.caller));
  auto tenant = find_tenant(call.transaction, id);
  if (!tenant) return refuse(404, "unknown_tenant", "There is no such tenant.");
  TRY_VOID(services::match_revision(call.request, tenant->revision));
  return std::move(*tenant);
}

}  // namespace

std::optional<Tenant> find_tenant(Transaction& transaction, std::string_view id) {
  Rows rows = transaction.query("SELECT id, name, plan, state, created_at, revision FROM tenants WHERE id = ?", {id});
  if (!rows.next()) return std::nullopt;
  return tenant_of(rows);
}

std::vector<Tenant> list_tenants(Transaction& transaction, std::string_view plan, std::string_view state,
                                 std::string_view after, std::int64_t limit) {
  std::vector<Tenant> tenants;
  Rows rows = transaction.query(
      "SELECT id, name, plan, state, created_at, revision FROM tenants "
      "WHERE id > ? AND (? = '' OR plan = ?) AND (? = '' OR state = ?) ORDER BY id LIMIT ?",
      {after, plan, plan, state, state, limit});
  while (rows.next()) tenants.push_back(tenant_of(rows));
  return tenants;
}

Outcome<Tenant> create_tenant(Call& call, const Tenant& wanted) {
  TRY_VOID(require_admin(call.caller));
  std::string_view id = wanted.id;
  if (find_tenant(call.transaction, id)) return refuse(409, "tenant_exists", "There is a tenant with this id.");
  // The audit log keeps what was done in a tenant; a new one of the same id would read it.
  if (call.transaction.query("SELECT 1 FROM audit WHERE tenant = ? LIMIT 1", {id}).next()) {
    return refuse(409, "tenant_id_used", "There was a tenant with this id; an id is used once.");
  }
  call.transaction.run("INSERT INTO tenants (id, name, plan, state, created_at) VALUES (?, ?, ?, ?, ?)",
                       {id, std::string_view(wanted.name), std::string_view(wanted.plan),
                        std::string_view(wanted.state), services::now_seconds()});
  ChangeNote note;
  note.add("plan", std::string(), wanted.plan);
  note.add("state", std::string(), wanted.state);
  audit(call, {"tenant", id, id}, "create", note.take());
  auto tenant = find_tenant(call.transaction, id);
  LG_CHECK(tenant.has_value(), "a tenant is there after it was written");
  return std::move(*tenant);
}

Outcome<Tenant> change_tenant(Call& call, std::string_view id, const TenantChange& change) {
  TRY(tenant, changeable(call, id));
  Tenant before = tenant;
  if (change.name) tenant.name = *change.name;
  if (change.plan) tenant.plan = *change.plan;
  if (change.state) tenant.state = *change.state;
  ChangeNote note;
  note.add("name", before.name, tenant.name);
  note.add("plan", before.plan, tenant.plan);
  note.add("state", before.state, tenant.state);
  if (note.empty()) return tenant;

  call.transaction.run(
      "UPDATE tenants SET name = ?, plan = ?, state = ?, revision = revision + 1 WHERE id = ?",
      {std::string_view(tenant.name), std::string_view(tenant.plan), std::string_view(tenant.state), id});
  if (tenant.state != before.state) TRY_VOID(keep_an_admin(call.transaction));
  if (tenant.state != before.state || tenant.plan != before.plan) tell_members(call, id);
  audit(call, {"tenant", id, id}, "change", note.take());
  tenant.revision += 1;
  return tenant;
}

Outcome<void> remove_tenant(Call& call, std::string_view id) {
  TRY(tenant, changeable(call, id));
  Transaction& transaction = call.transaction;
  if (transaction.query("SELECT 1 FROM accounts WHERE tenant = ? LIMIT 1", {id}).next() ||
      transaction.query("SELECT 1 FROM roles WHERE tenant = ? LIMIT 1", {id}).next()) {
    return refuse(409, "tenant_not_empty", "The tenant still has accounts or roles.");
  }
  transaction.run("DELETE FROM tenants WHERE id = ?", {id});
  audit(call, {"tenant", id, id}, "delete", "{}");
  return {};
}

Outcome<void> keep_an_admin(Transaction& transaction) {
  bool left = transaction
                  .query(
                      "SELECT 1 FROM account_roles JOIN accounts ON accounts.id = account "
                      "JOIN tenants ON tenants.id = accounts.tenant "
                      "WHERE role = ? AND kind = 'person' AND disabled = 0 AND state = 'active' LIMIT 1",
                      {kAdminRole})
                  .next();
  if (left) return {};
  return refuse(409, "last_admin", "Nobody would be left who is an admin.");
}

}  // namespace lotagate::users
