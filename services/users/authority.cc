#include "users/authority.h"

#include <fmt/format.h>

#include "base/result.h"
#include "common/clock.h"
#include "common/identity.h"
#include "users/permission.h"
#include "users/schema.h"
#include "users/words.h"

namespace lotagate::users {
namespace {

using services::Outcome;
using services::refuse;
using services::Rows;
using services::Transaction;

bool is_platform_admin(Transaction& transaction, std::string_view account) {
  return transaction.query("SELECT 1 FROM account_roles WHERE account = ? AND role = ?", {account, kAdminRole}).next();
}

// The gateway has asked about the key as well, but may not have heard of its end yet.
Outcome<void> bound_by_key(Transaction& transaction, std::string_view key, Authority& owner) {
  Rows rows = transaction.query(
      "SELECT permissions, expires_at FROM api_keys WHERE id = ? AND account = ? AND disabled = 0 "
      "AND (expires_at IS NULL OR expires_at > ?)",
      {key, std::string_view(owner.subject), services::now_seconds()});
  if (!rows.next()) return refuse(403, "api_key_not_active", "The API key is unknown, disabled or has expired.");
  owner.key_permissions = split_words(rows.text(0));
  if (!rows.is_null(1)) owner.key_expires_at = rows.integer(1);
  return {};
}

}  // namespace

bool Authority::holds(std::string_view permission) const {
  return covered(permissions, permission) && key_allows(permission);
}

bool Authority::key_allows(std::string_view permission) const {
  return !key_permissions || covered(*key_permissions, permission);
}

Outcome<Authority> authority_of(Transaction& transaction, const services::Request& request) {
  services::Caller named = services::caller_of(request);
  if (named.subject.empty()) return refuse(401, "no_identity", "The call did not come through the gateway.");
  Authority caller{.subject = named.subject, .tenant = {}, .permissions = {}, .key_permissions = {}};
  {
    Rows rows = transaction.query(
        "SELECT tenant, disabled, state FROM accounts JOIN tenants ON tenants.id = tenant WHERE accounts.id = ?",
        {std::string_view(named.subject)});
    // Somebody of another issuer may be known to the gateway; here he has no account and nothing to administer.
    if (!rows.next()) return refuse(403, "unknown_caller", "The caller has no account here.");
    if (rows.integer(1) != 0 || rows.text(2) != "active") {
      return refuse(403, "caller_disabled", "The caller's account is disabled.");
    }
    caller.tenant = rows.text(0);
  }
  caller.permissions = permissions_of(transaction, caller.subject);
  if (!named.key_id.empty()) TRY_VOID(bound_by_key(transaction, named.key_id, caller));
  // A key that was made for less than everything is not for every tenant either.
  caller.is_admin = caller.holds(kEverything) && is_platform_admin(transaction, caller.subject);
  return caller;
}

Outcome<void> require(const Authority& caller, std::string_view permission) {
  if (caller.holds(permission)) return {};
  return refuse(403, "forbidden", fmt::format("This needs the permission `{}`.", permission));
}

Outcome<void> require_unless_own(const Authority& caller, std::string_view permission, std::string_view owner) {
  if (caller.subject == owner && caller.key_allows(permission)) return {};
  return require(caller, permission);
}

Outcome<void> require_admin(const Authority& caller) {
  if (caller.is_admin) return {};
  return refuse(403, "admins_only", "Only an admin of the platform may do this.");
}

std::vector<std::string> permissions_of(Transaction& transaction, std::string_view account) {
  std::vector<std::string> permissions;
  Rows rows = transaction.query(
      "SELECT DISTINCT permission FROM account_roles JOIN role_permissions USING (role) "
      "WHERE account = ? ORDER BY permission",
      {account});
  while (rows.next()) permissions.push_back(rows.text(0));
  return permissions;
}

}  // namespace lotagate::users
