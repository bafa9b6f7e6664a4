// API keys: long random texts in place of a login, for machines. The key itself is shown once and never stored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "users/operations.h"

namespace lotagate::users {

struct ApiKey {
  std::string id;       // `key_...`
  std::string account;  // whose permissions it uses
  std::string name;
  std::string hint;                      // how the key begins and ends: "lgk_...Xy3Q"
  std::vector<std::string> permissions;  // what it may do at most; `*:*`: all that its owner may
  bool disabled = false;
  std::int64_t created_at = 0;             // seconds since 1970
  std::optional<std::int64_t> expires_at;  // seconds since 1970; absent: never
  std::int64_t revision = 0;
  std::string disabled_by;  // the account that did; empty if it is not, or if nobody wrote that down
};

struct NewApiKey {
  std::string name;
  std::vector<std::string> permissions;
  std::optional<std::int64_t> expires_at;
};

// A key that was just made: `text` is the only copy.
struct MadeApiKey {
  ApiKey key;
  std::string text;
};

// What an update sets; what is absent stays. What a key may do never changes.
struct ApiKeyChange {
  std::optional<std::string> name;
  std::optional<bool> disabled;
};

// The answer of GET /internal/v1/api-keys/{digest}.
struct KeyGrant {
  std::string id;
  std::string account;
  std::vector<std::string> permissions;
  std::int64_t revision = 0;  // of the change feed; the answer reflects every change up to it
  bool disabled = false;
  std::optional<std::int64_t> expires_at;
};

// By the lower-case hexadecimal SHA-256 of the whole key.
std::optional<KeyGrant> key_grant(services::Transaction& transaction, std::string_view digest);

// Keys of an account that the caller can see. 403, 404 for an account that he cannot.
services::Outcome<std::vector<ApiKey>> list_api_keys(Call& call, std::string_view account, std::string_view after,
                                                     std::int64_t limit);
services::Outcome<ApiKey> find_api_key(Call& call, std::string_view account, std::string_view id);

// Problems: 403, 404, 409 for too many keys, 422 for a time in the past. With an API key only keys of others can be
// made, and none that is good for longer.
services::Outcome<MadeApiKey> create_api_key(Call& call, std::string_view account, const NewApiKey& wanted);
// Problems: 403, 404, 412. No API key enables another; the owner enables what he disabled himself, and an admin alone
// what an admin disabled.
services::Outcome<ApiKey> change_api_key(Call& call, std::string_view account, std::string_view id,
                                         const ApiKeyChange& change);
services::Outcome<void> remove_api_key(Call& call, std::string_view account, std::string_view id);

}  // namespace lotagate::users
