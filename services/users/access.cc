#include "users/access.h"

#include "users/authority.h"
#include "users/sessions.h"

namespace lotagate::users {
namespace {

using services::Rows;
using services::Transaction;

// A tenant chooses the names of its roles. With the tenant before it, no name can be one that a route of the gateway
// requires of others.
std::vector<std::string> gateway_roles(Transaction& transaction, std::string_view account) {
  std::vector<std::string> roles;
  Rows rows = transaction.query(
      "SELECT tenant, name FROM account_roles JOIN roles ON roles.id = role WHERE account = ? ORDER BY name",
      {account});
  while (rows.next()) roles.push_back(rows.is_null(0) ? rows.text(1) : rows.text(0) + "/" + rows.text(1));
  return roles;
}

}  // namespace

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
  access.roles = gateway_roles(transaction, subject);
  access.permissions = permissions_of(transaction, subject);
  access.revoked_sessions = revoked_sessions(transaction, subject);
  return access;
}

}  // namespace lotagate::users
