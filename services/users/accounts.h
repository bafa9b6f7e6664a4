// Accounts and their roles. Every change of what an account may do is appended to the change feed with it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/problem.h"
#include "users/change_feed.h"

namespace lotagate::users {

struct Account {
  std::string id;  // `usr_...`: the `sub` of its tokens
  std::string username;
  std::string tenant;
  bool disabled = false;
  std::int64_t created_at = 0;  // seconds since 1970
  std::vector<std::string> roles;
};

struct NewAccount {
  std::string username;
  std::string password_hash;
  std::string tenant;
  std::vector<std::string> roles;
};

// What an update sets; what is absent stays.
struct AccountChange {
  std::optional<std::vector<std::string>> roles;
  std::optional<bool> disabled;
};

// What a login needs to know.
struct Credentials {
  std::string id;
  std::string tenant;
  std::string password_hash;
  bool disabled = false;  // the account, or its tenant is suspended
};

// Whose accounts a caller may see and change: its tenant's, but an admin every tenant's. Only an admin makes, changes
// or removes admins.
struct Authority {
  std::string tenant;
  bool is_admin = false;
};

class AccountStore {
 public:
  AccountStore(services::Database& database, ChangeFeed& changes) : database_(database), changes_(changes) {}

  bool empty();
  std::optional<Credentials> credentials(std::string_view username);
  std::optional<Account> find(std::string_view id, const Authority& authority);
  // At most `limit` accounts in the order of their ids, beginning after `after`.
  std::vector<Account> list(const Authority& authority, std::string_view after, std::int64_t limit);

  // All or none. Problems: 403, 409 for a taken username, 422 for an unknown role or tenant.
  services::Outcome<std::vector<Account>> create(std::span<const NewAccount> accounts, const Authority& authority);
  // Problems: 403, 404, 409 if nobody would be left who is an admin, 422 for an unknown role.
  services::Outcome<Account> update(std::string_view id, const AccountChange& change, const Authority& authority);
  // Problems as of update().
  services::Outcome<void> remove(std::string_view id, const Authority& authority);

 private:
  services::Outcome<Account> insert(services::Transaction& transaction, const NewAccount& account);

  services::Database& database_;
  ChangeFeed& changes_;
};

}  // namespace lotagate::users
