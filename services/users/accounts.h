// Accounts and their roles. Every change of what an account may do is appended to the change feed with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "users/operations.h"

namespace lotagate::users {

inline constexpr std::string_view kPerson = "person";    // logs in with a password
inline constexpr std::string_view kService = "service";  // a machine: has API keys, and no password to log in with

struct Account {
  std::string id;  // `usr_...`: the `sub` of its tokens
  std::string username;
  std::string tenant;
  std::string kind;
  bool disabled = false;
  std::int64_t created_at = 0;  // seconds since 1970
  std::int64_t revision = 0;
  std::vector<std::string> roles;  // their names, in order

  bool operator==(const Account&) const = default;
};

struct NewAccount {
  std::string username;
  std::string kind = std::string(kPerson);
  std::string password_hash;  // empty for a service
  std::string tenant;
  std::vector<std::string> roles;
};

// What an update sets; what is absent stays.
struct AccountChange {
  std::optional<std::string> username;
  std::optional<std::vector<std::string>> roles;
  std::optional<bool> disabled;
};

// Which accounts to list; what is empty matches everything.
struct AccountFilter {
  std::string tenant;
  std::string username;  // in any case
  std::string role;
  std::string kind;
  std::optional<bool> disabled;
};

// What a login needs to know.
struct Credentials {
  std::string id;
  std::string tenant;
  std::string password_hash;
  bool disabled = false;  // the account, or its tenant is suspended
};

// What two usernames must differ in: they are ASCII, and case does not count.
std::string username_key(std::string_view username);

class AccountStore {
 public:
  explicit AccountStore(services::Database& database) : database_(database) {}

  // Of a person; nothing for a service, which cannot log in.
  std::optional<Credentials> credentials(std::string_view username);

 private:
  services::Database& database_;
};

// An account that the caller can see: of his tenant, but an admin of the platform sees every tenant's.
std::optional<Account> find_account(services::Transaction& transaction, std::string_view id, const Authority& caller);
// At most `limit` of those, in the order of their ids, beginning after `after`.
std::vector<Account> list_accounts(services::Transaction& transaction, const Authority& caller,
                                   const AccountFilter& filter, std::string_view after, std::int64_t limit);

// Problems: 403, 409 for a taken username, 422 for an unknown role or tenant.
services::Outcome<Account> create_account(Call& call, const NewAccount& wanted);
// Problems: 403, 404, 409 for a taken username or if nobody would be left who is an admin, 412, 422 for an unknown
// role.
services::Outcome<Account> change_account(Call& call, std::string_view id, const AccountChange& change);
// Problems: 403, 404, 409 if nobody would be left who is an admin, 412.
services::Outcome<void> remove_account(Call& call, std::string_view id);

}  // namespace lotagate::users
