#include "users/accounts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/result.h"
#include "base/text.h"
#include "common/clock.h"
#include "common/http_query.h"
#include "common/http_revision.h"
#include "common/printable.h"
#include "common/secrets.h"
#include "users/change_note.h"
#include "users/roles.h"
#include "users/schema.h"
#include "users/tenants.h"

namespace lotagate::users {
namespace {

using services::Outcome;
using services::refuse;
using services::Rows;
using services::Transaction;

bool has_admin_role(const Account& account) {
  return std::ranges::find(account.roles, kAdminRole) != account.roles.end();
}

std::vector<std::string> role_names(Transaction& transaction, std::string_view account) {
  std::vector<std::string> names;
  Rows rows = transaction.query(
      "SELECT name FROM account_roles JOIN roles ON roles.id = role WHERE account = ? ORDER BY name", {account});
  while (rows.next()) names.push_back(rows.text(0));
  return names;
}

// The columns id, username, tenant, kind, disabled, created_at, revision.
Account account_of(const Rows& rows) {
  return {.id = rows.text(0),
          .username = rows.text(1),
          .tenant = rows.text(2),
          .kind = rows.text(3),
          .disabled = rows.integer(4) != 0,
          .created_at = rows.integer(5),
          .revision = rows.integer(6),
          .roles = {}};
}

#define LG_LIST_ACCOUNTS_BY(condition)                                                                             \
  "SELECT id, username, tenant, kind, disabled, created_at, revision FROM accounts WHERE " condition               \
  " AND id > ? AND (? = 1 OR tenant = ?) AND (? = '' OR username_key = ?) AND (? = '' OR kind = ?) "               \
  "AND (? = -1 OR disabled = ?) AND (? = '' OR EXISTS (SELECT 1 FROM account_roles JOIN roles ON roles.id = role " \
  "WHERE account = accounts.id AND roles.name = ?)) ORDER BY id LIMIT ?"

// The account as it is now, if the caller may change it.
Outcome<Account> changeable(Call& call, std::string_view id) {
  TRY_VOID(require(call.caller, "users:write"));
  auto account = find_account(call.transaction, id, call.caller);
  if (!account) return refuse(404, "unknown_user", "There is no such user.");
  if (has_admin_role(*account)) TRY_VOID(require_admin(call.caller));
  TRY_VOID(services::match_revision(call.request, account->revision));
  return std::move(*account);
}

Outcome<void> username_is_free(Transaction& transaction, std::string_view username, std::string_view except) {
  std::string key = username_key(username);
  if (!transaction.query("SELECT 1 FROM accounts WHERE username_key = ? AND id <> ?", {std::string_view(key), except})
           .next()) {
    return {};
  }
  return refuse(409, "username_taken", fmt::format("The username `{}` is taken.", username));
}

// Gives `account` the roles of these names and no other. Those it had before are not the caller's gift.
Outcome<void> set_roles(Call& call, Account& account, const std::vector<std::string>& names) {
  std::string_view id = account.id;
  std::vector<std::string> kept;
  for (const std::string& name : names) {
    if (std::ranges::find(kept, name) != kept.end()) continue;
    auto role = services::is_id(name) ? role_called(call.transaction, name, account.tenant) : std::nullopt;
    if (!role)
      return refuse(422, "unknown_role",
                    fmt::format("There is no role `{}`.", services::printable(name, services::kMaxEchoBytes)));
    bool had = std::ranges::find(account.roles, name) != account.roles.end();
    if (!had) {
      TRY_VOID(may_grant(call.caller, *role));
      call.transaction.run("INSERT INTO account_roles (account, role) VALUES (?, ?)", {id, std::string_view(role->id)});
    }
    kept.push_back(name);
  }
  for (const std::string& name : account.roles) {
    if (std::ranges::find(kept, name) != kept.end()) continue;
    auto role = role_called(call.transaction, name, account.tenant);
    LG_CHECK(role.has_value(), "an account's role is a role of its tenant");
    call.transaction.run("DELETE FROM account_roles WHERE account = ? AND role = ?", {id, std::string_view(role->id)});
  }
  std::ranges::sort(kept);
  account.roles = std::move(kept);
  return {};
}

}  // namespace

std::string username_key(std::string_view username) {
  std::string key(username);
  std::ranges::transform(key, key.begin(), ascii_lower);
  return key;
}

std::optional<Credentials> AccountStore::credentials(std::string_view username) {
  std::string key = username_key(username);
  return database_.read([&](Transaction& transaction) -> std::optional<Credentials> {
    Rows rows = transaction.query(
        "SELECT accounts.id, tenant, password_hash, CASE WHEN disabled = 1 OR state <> 'active' THEN 1 ELSE 0 END "
        "FROM accounts JOIN tenants ON tenants.id = tenant WHERE username_key = ? AND kind = ?",
        {std::string_view(key), kPerson});
    if (!rows.next()) return std::nullopt;
    return Credentials{rows.text(0), rows.text(1), rows.text(2), rows.integer(3) != 0};
  });
}

std::optional<Account> find_account(Transaction& transaction, std::string_view id, const Authority& caller) {
  std::optional<Account> account;
  {
    Rows rows = transaction.query(
        "SELECT id, username, tenant, kind, disabled, created_at, revision FROM accounts "
        "WHERE id = ? AND (? = 1 OR tenant = ?)",
        {id, std::int64_t{caller.is_admin}, std::string_view(caller.tenant)});
    if (rows.next()) account = account_of(rows);
  }
  if (account) account->roles = role_names(transaction, id);
  return account;
}

std::vector<Account> list_accounts(Transaction& transaction, const Authority& caller, const AccountFilter& filter,
                                   std::string_view after, std::int64_t limit) {
  if (!filter.tenant.empty() && !caller.sees(filter.tenant)) return {};
  std::string key = username_key(filter.username);
  std::string_view username = key, tenant = filter.tenant, role = filter.role, kind = filter.kind;
  std::int64_t disabled = filter.disabled ? std::int64_t{*filter.disabled} : -1;  // -1: either
  if (tenant.empty() && !caller.is_admin) tenant = caller.tenant;
  std::vector<Account> accounts;
  {
    // A tenant's accounts are found by its index, however many others there are.
    Rows rows = transaction.query(tenant.empty() ? LG_LIST_ACCOUNTS_BY("? = ''") : LG_LIST_ACCOUNTS_BY("tenant = ?"),
                                  {tenant, after, std::int64_t{caller.is_admin}, std::string_view(caller.tenant),
                                   username, username, kind, kind, disabled, disabled, role, role, limit});
    while (rows.next()) accounts.push_back(account_of(rows));
  }
  for (Account& account : accounts) account.roles = role_names(transaction, account.id);
  return accounts;
}

Outcome<Account> create_account(Call& call, const NewAccount& wanted) {
  TRY_VOID(require(call.caller, "users:write"));
  if (wanted.tenant != call.caller.tenant) TRY_VOID(require_admin(call.caller));
  std::string_view tenant = wanted.tenant;
  if (!services::is_id(tenant) || !find_tenant(call.transaction, tenant)) {
    return refuse(422, "unknown_tenant",
                  fmt::format("There is no tenant `{}`.", services::printable(tenant, services::kMaxEchoBytes)));
  }
  TRY_VOID(username_is_free(call.transaction, wanted.username, {}));
  Account account{.id = services::random_id("usr_"),
                  .username = wanted.username,
                  .tenant = wanted.tenant,
                  .kind = wanted.kind,
                  .created_at = services::now_seconds(),
                  .revision = 1,
                  .roles = {}};
  std::string key = username_key(wanted.username);
  call.transaction.run(
      "INSERT INTO accounts (id, username, username_key, kind, password_hash, tenant, created_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {std::string_view(account.id), std::string_view(account.username), std::string_view(key),
       std::string_view(account.kind), std::string_view(wanted.password_hash), tenant, account.created_at});
  TRY_VOID(set_roles(call, account, wanted.roles));
  // A gateway may remember that the id was unknown, so a creation is a change too.
  call.changes.append(call.transaction, account.id);
  ChangeNote note;
  note.add("username", std::string(), account.username);
  note.add("kind", std::string(), account.kind);
  note.add("roles", {}, account.roles);
  audit(call, {"account", account.id, tenant}, "create", note.take());
  return account;
}

Outcome<Account> change_account(Call& call, std::string_view id, const AccountChange& change) {
  TRY(before, changeable(call, id));
  Account account = before;
  if (change.username) {
    TRY_VOID(username_is_free(call.transaction, *change.username, id));
    account.username = *change.username;
  }
  if (change.disabled) account.disabled = *change.disabled;
  if (change.roles) TRY_VOID(set_roles(call, account, *change.roles));
  // Who enables somebody gives him all that he then holds.
  if (before.disabled && !account.disabled) TRY_VOID(may_give(call.caller, permissions_of(call.transaction, id)));
  ChangeNote note;
  note.add("username", before.username, account.username);
  note.add("disabled", before.disabled, account.disabled);
  note.add("roles", before.roles, account.roles);
  if (note.empty()) return account;

  std::string key = username_key(account.username);
  call.transaction.run(
      "UPDATE accounts SET username = ?, username_key = ?, disabled = ?, revision = revision + 1 WHERE id = ?",
      {std::string_view(account.username), std::string_view(key), std::int64_t{account.disabled}, id});
  if (has_admin_role(before)) TRY_VOID(keep_an_admin(call.transaction));
  if (account.roles != before.roles || account.disabled != before.disabled) call.changes.append(call.transaction, id);
  audit(call, {"account", id, account.tenant}, "change", note.take());
  account.revision += 1;
  return account;
}

Outcome<void> remove_account(Call& call, std::string_view id) {
  TRY(account, changeable(call, id));
  call.transaction.run("DELETE FROM accounts WHERE id = ?", {id});
  if (has_admin_role(account)) TRY_VOID(keep_an_admin(call.transaction));
  call.changes.append(call.transaction, id);
  ChangeNote note;
  note.add("username", account.username, std::string());
  audit(call, {"account", id, account.tenant}, "delete", note.take());
  return {};
}

}  // namespace lotagate::users
