// The User Management Service's answers (docs/user-management-contract.yaml). Whatever is not understood is an error,
// never an allowance.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "access/role_directory.h"
#include "base/result.h"

namespace lotagate::access {

inline constexpr std::size_t kMaxAccessAnswerBytes = 64 * 1024;
inline constexpr std::size_t kMaxChangesAnswerBytes = 1024 * 1024;

// GET /internal/v1/users/{subject}/access, status 200. Error: authorization_unavailable with a static reason for a
// missing, repeated, unknown or mistyped member, another subject, an unknown plan, an invalid permission, and for text
// that could not stand in a header field (tenant, roles).
Result<AccessGrant> parse_access_answer(std::string_view json, std::string_view subject);

struct ChangesAnswer {
  std::uint64_t revision = 0;
  bool all = false;                   // every user may have changed
  std::vector<std::string> subjects;  // users that changed; empty with `all`, or when the wait ran out
};

// GET /internal/v1/changes. Error: authorization_unavailable with a static reason; the caller then treats it as `all`.
Result<ChangesAnswer> parse_changes_answer(std::string_view json);

}  // namespace lotagate::access
