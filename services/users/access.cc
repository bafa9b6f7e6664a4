#include "users/access.h"

namespace lotagate::users {
namespace {

using services::Rows;
using services::Transaction;

std::vector<std::string> column(Transaction& transaction, std::string_view sql, std::string_view key) {
  std::vector<std::string> texts;
  Rows rows = transaction.query(sql, {key});
  while (rows.next()) texts.push_back(rows.text(0));
  return texts;
}

std::optional<Access> access_of(Transaction& transaction, std::string_view subject) {
  Access access;
  {
    Rows rows = transaction.query(
        "SELECT tenant, plan, CASE WHEN disabled = 1 OR state <> 'active' THEN 1 ELSE 0 END, "
        "(SELECT max(revision) FROM changes) "
        "FROM accounts JOIN tenants ON tenants.id = tenant WHERE accounts.id = ?",
        {subject});
    if (!rows.next()) return std::nullopt;
    access.subject = subject;
    access.tenant = rows.text(0);
    access.plan = rows.text(1);
    access.disabled = rows.integer(2) != 0;
    access.revision = rows.integer(3);
  }
  access.roles = column(transaction, "SELECT role FROM account_roles WHERE account = ? ORDER BY role", subject);
  access.permissions = column(transaction,
                              "SELECT DISTINCT permission FROM account_roles JOIN role_permissions USING (role) "
                              "WHERE account = ? ORDER BY permission",
                              subject);
  return access;
}

}  // namespace

std::optional<Access> AccessDirectory::access(std::string_view subject) {
  return database_.read([&](Transaction& transaction) { return access_of(transaction, subject); });
}

std::vector<Tenant> AccessDirectory::tenants() {
  return database_.read([&](Transaction& transaction) {
    std::vector<Tenant> tenants;
    Rows rows = transaction.query("SELECT id, plan, state FROM tenants ORDER BY id");
    while (rows.next()) tenants.push_back({rows.text(0), rows.text(1), rows.text(2)});
    return tenants;
  });
}

bool AccessDirectory::put_tenant(const Tenant& tenant) {
  auto id = std::string_view(tenant.id);
  auto plan = std::string_view(tenant.plan);
  auto state = std::string_view(tenant.state);
  bool changed = database_.transact([&](Transaction& transaction) {
    bool known = transaction.run("UPDATE tenants SET plan = ?, state = ? WHERE id = ?", {plan, state, id}) > 0;
    if (!known) transaction.run("INSERT INTO tenants (id, plan, state) VALUES (?, ?, ?)", {id, plan, state});
    for (const auto& account : column(transaction, "SELECT id FROM accounts WHERE tenant = ?", id)) {
      changes_.append(transaction, account);
    }
    return known;
  });
  changes_.announce();
  return !changed;
}

}  // namespace lotagate::users
