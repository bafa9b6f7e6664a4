// The User Management Service's answers (docs/user-management-contract.yaml). Whatever is not understood is an error,
// never an allowance.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "access/access_grant.h"
#include "base/result.h"

namespace lotagate::access {

// What the service is asked: paths below its URL.
std::string user_access_path(std::string_view subject);
std::string api_key_path(std::string_view digest);

inline constexpr std::size_t kMaxAccessAnswerBytes = 64 * 1024;
inline constexpr std::size_t kMaxChangesAnswerBytes = 1024 * 1024;

inline constexpr std::size_t kMaxRevokedSessions = 256;
inline constexpr std::size_t kMaxSessionBytes = 128;  // of a `sid` claim

// GET /internal/v1/users/{subject}/access, status 200. The grant is kept under `subject`. Error:
// authorization_unavailable with a static reason for a missing, repeated, unknown or mistyped member, another subject,
// an unknown plan, an invalid permission, and for text that could not stand in a header field (tenant, roles).
Result<StoredGrant> parse_access_answer(std::string_view json, std::string_view subject);

// GET /internal/v1/api-keys/{digest}, status 200. The grant is kept under `digest`. Errors as above.
Result<StoredGrant> parse_api_key_answer(std::string_view json, std::string_view digest);

struct ChangesAnswer {
  std::uint64_t revision = 0;
  bool all = false;                   // every user and every API key may have changed; both lists are empty
  std::vector<std::string> subjects;  // users that changed; empty when the wait ran out
  std::vector<std::string> api_keys;  // digests of the keys that changed
};

// GET /internal/v1/changes. Error: authorization_unavailable with a static reason; the caller then treats it as `all`.
Result<ChangesAnswer> parse_changes_answer(std::string_view json);

}  // namespace lotagate::access
