#include "users/accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/result.h"
#include "base/text.h"
#include "common/secrets.h"
#include "users/schema.h"

namespace lotagate::users {
namespace {

using services::Bound;
using services::Outcome;
using services::refuse;
using services::Rows;
using services::Transaction;

std::int64_t now_seconds() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

// Two usernames must differ in more than case; both are ASCII.
std::string username_key(std::string_view username) {
  std::string key(username);
  std::ranges::transform(key, key.begin(), ascii_lower);
  return key;
}

bool is_admin(const std::vector<std::string>& roles) { return std::ranges::find(roles, kAdminRole) != roles.end(); }

std::vector<std::string> roles_of(Transaction& transaction, std::string_view account) {
  std::vector<std::string> roles;
  Rows rows = transaction.query("SELECT role FROM account_roles WHERE account = ? ORDER BY role", {account});
  while (rows.next()) roles.push_back(rows.text(0));
  return roles;
}

// The columns id, username, tenant, disabled, created_at.
Account account_of(const Rows& rows) {
  return {.id = rows.text(0),
          .username = rows.text(1),
          .tenant = rows.text(2),
          .disabled = rows.integer(3) != 0,
          .created_at = rows.integer(4),
          .roles = {}};
}

std::optional<Account> select_account(Transaction& transaction, std::string_view id, const Authority& authority) {
  std::optional<Account> account;
  {
    Rows rows = transaction.query(
        "SELECT id, username, tenant, disabled, created_at FROM accounts WHERE id = ? AND (? = 1 OR tenant = ?)",
        {id, std::int64_t{authority.is_admin}, std::string_view(authority.tenant)});
    if (rows.next()) account = account_of(rows);
  }
  if (account) account->roles = roles_of(transaction, id);
  return account;
}

// An account that this transaction has just written.
Account written_account(Transaction& transaction, std::string_view id) {
  auto account = select_account(transaction, id, {.tenant = {}, .is_admin = true});
  LG_CHECK(account.has_value(), "an account is there after it was written");
  return std::move(*account);
}

bool exists(Transaction& transaction, std::string_view sql, std::string_view key) {
  return transaction.query(sql, {key}).next();
}

Outcome<void> set_roles(Transaction& transaction, std::string_view id, const std::vector<std::string>& roles) {
  transaction.run("DELETE FROM account_roles WHERE account = ?", {id});
  for (std::string_view role : roles) {
    if (!exists(transaction, "SELECT 1 FROM roles WHERE name = ?", role)) {
      return refuse(422, "unknown_role", fmt::format("There is no role `{}`.", role));
    }
    transaction.run("INSERT INTO account_roles (account, role) VALUES (?, ?) ON CONFLICT DO NOTHING", {id, role});
  }
  return {};
}

// The account as it is now, if the caller may change it.
Outcome<Account> changeable(Transaction& transaction, std::string_view id, const Authority& authority) {
  auto account = select_account(transaction, id, authority);
  if (!account) return refuse(404, "unknown_user", "There is no such user.");
  if (is_admin(account->roles) && !authority.is_admin) {
    return refuse(403, "admins_only", "Only an admin may change an admin.");
  }
  return std::move(*account);
}

Outcome<void> keep_an_admin(Transaction& transaction, const Account& before) {
  if (!is_admin(before.roles) || before.disabled) return {};
  bool left = exists(transaction,
                     "SELECT 1 FROM account_roles JOIN accounts ON accounts.id = account "
                     "WHERE role = ? AND disabled = 0 LIMIT 1",
                     kAdminRole);
  if (left) return {};
  return refuse(409, "last_admin", "Nobody would be left who is an admin.");
}

Outcome<void> may_grant(const std::vector<std::string>& roles, const Authority& authority) {
  if (authority.is_admin || !is_admin(roles)) return {};
  return refuse(403, "admins_only", "Only an admin may make somebody an admin.");
}

}  // namespace

bool AccountStore::empty() {
  return database_.read(
      [](Transaction& transaction) { return !transaction.query("SELECT 1 FROM accounts LIMIT 1").next(); });
}

std::optional<Credentials> AccountStore::credentials(std::string_view username) {
  std::string key = username_key(username);
  return database_.read([&](Transaction& transaction) -> std::optional<Credentials> {
    Rows rows = transaction.query(
        "SELECT accounts.id, tenant, password_hash, CASE WHEN disabled = 1 OR state <> 'active' THEN 1 ELSE 0 END "
        "FROM accounts JOIN tenants ON tenants.id = tenant WHERE username_key = ?",
        {std::string_view(key)});
    if (!rows.next()) return std::nullopt;
    return Credentials{rows.text(0), rows.text(1), rows.text(2), rows.integer(3) != 0};
  });
}

std::optional<Account> AccountStore::find(std::string_view id, const Authority& authority) {
  return database_.read([&](Transaction& transaction) { return select_account(transaction, id, authority); });
}

std::vector<Account> AccountStore::list(const Authority& authority, std::string_view after, std::int64_t limit) {
  return database_.read([&](Transaction& transaction) {
    std::vector<Account> accounts;
    {
      Rows rows = transaction.query(
          "SELECT id, username, tenant, disabled, created_at FROM accounts "
          "WHERE id > ? AND (? = 1 OR tenant = ?) ORDER BY id LIMIT ?",
          {after, std::int64_t{authority.is_admin}, std::string_view(authority.tenant), limit});
      while (rows.next()) accounts.push_back(account_of(rows));
    }
    for (Account& account : accounts) account.roles = roles_of(transaction, account.id);
    return accounts;
  });
}

Outcome<std::vector<Account>> AccountStore::create(std::span<const NewAccount> accounts, const Authority& authority) {
  auto created = database_.transact([&](Transaction& transaction) -> Outcome<std::vector<Account>> {
    std::vector<Account> inserted;
    for (const NewAccount& account : accounts) {
      TRY_VOID(may_grant(account.roles, authority));
      if (!authority.is_admin && account.tenant != authority.tenant) {
        return refuse(403, "other_tenant", "Only an admin may create users of another tenant.");
      }
      TRY(one, insert(transaction, account));
      inserted.push_back(std::move(one));
    }
    return inserted;
  });
  changes_.announce();
  return created;
}

Outcome<Account> AccountStore::insert(Transaction& transaction, const NewAccount& account) {
  if (!exists(transaction, "SELECT 1 FROM tenants WHERE id = ?", account.tenant)) {
    return refuse(422, "unknown_tenant", fmt::format("There is no tenant `{}`.", account.tenant));
  }
  std::string key = username_key(account.username);
  if (exists(transaction, "SELECT 1 FROM accounts WHERE username_key = ?", key)) {
    return refuse(409, "username_taken", fmt::format("The username `{}` is taken.", account.username));
  }
  std::string id = services::random_id("usr_");
  transaction.run(
      "INSERT INTO accounts (id, username, username_key, password_hash, tenant, created_at) VALUES (?, ?, ?, ?, ?, ?)",
      {std::string_view(id), std::string_view(account.username), std::string_view(key),
       std::string_view(account.password_hash), std::string_view(account.tenant), now_seconds()});
  TRY_VOID(set_roles(transaction, id, account.roles));
  // A gateway may remember that the id was unknown, so a creation is a change too.
  changes_.append(transaction, id);
  return written_account(transaction, id);
}

Outcome<Account> AccountStore::update(std::string_view id, const AccountChange& change, const Authority& authority) {
  auto updated = database_.transact([&](Transaction& transaction) -> Outcome<Account> {
    TRY(before, changeable(transaction, id, authority));
    if (change.roles) {
      TRY_VOID(may_grant(*change.roles, authority));
      TRY_VOID(set_roles(transaction, id, *change.roles));
    }
    if (change.disabled) {
      transaction.run("UPDATE accounts SET disabled = ? WHERE id = ?", {std::int64_t{*change.disabled}, id});
    }
    TRY_VOID(keep_an_admin(transaction, before));
    Account after = written_account(transaction, id);
    if (after.roles != before.roles || after.disabled != before.disabled) changes_.append(transaction, id);
    return after;
  });
  changes_.announce();
  return updated;
}

Outcome<void> AccountStore::remove(std::string_view id, const Authority& authority) {
  auto removed = database_.transact([&](Transaction& transaction) -> Outcome<void> {
    TRY(before, changeable(transaction, id, authority));
    transaction.run("DELETE FROM accounts WHERE id = ?", {id});
    TRY_VOID(keep_an_admin(transaction, before));
    changes_.append(transaction, id);
    return {};
  });
  changes_.announce();
  return removed;
}

}  // namespace lotagate::users
