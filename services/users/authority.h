// Who calls, and what he may do, as this service's own records say.
//
// The gateway has authenticated the caller and names him; his tenant and roles are taken from the store, in the
// transaction of the operation. The gateway's own copy may be a second old, and a role that was just taken away must
// not be used to give it back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/database.h"
#include "common/problem.h"

namespace lotagate::users {

// The permission to do everything.
inline constexpr std::string_view kEverything = "*:*";

struct Authority {
  std::string subject;
  std::string tenant;
  bool is_admin = false;  // of the platform: has the built-in role `admin`; every tenant is his
  std::vector<std::string> permissions;
  // What the API key of this call may do at most; nothing if there is none.
  std::optional<std::vector<std::string>> key_permissions;
  std::optional<std::int64_t> key_expires_at = {};  // seconds since 1970; absent: never, or no key

  // Of himself, and of the key if there is one.
  bool holds(std::string_view permission) const;
  // Whether the key, if there is one, leaves him this permission.
  bool key_allows(std::string_view permission) const;
  // Whether he sees anything of a tenant. A list of another's is empty before anything is looked for: how long looking
  // takes would tell him whether that tenant is there, and how large it is.
  bool sees(std::string_view other_tenant) const { return is_admin || other_tenant == tenant; }
};

// 401 without an identity; 403 for a caller that is unknown or disabled, or whose key is.
services::Outcome<Authority> authority_of(services::Transaction& transaction, const services::Request& request);

// 403 unless he holds `permission`.
services::Outcome<void> require(const Authority& caller, std::string_view permission);
// As above, but `owner` may always do it with what is his own.
services::Outcome<void> require_unless_own(const Authority& caller, std::string_view permission,
                                           std::string_view owner);
// 403 unless he is an admin of the platform.
services::Outcome<void> require_admin(const Authority& caller);

// Every permission of an account, of all its roles, each once.
std::vector<std::string> permissions_of(services::Transaction& transaction, std::string_view account);

}  // namespace lotagate::users
