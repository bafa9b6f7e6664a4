// The registered claims of a JWT (RFC 7519 4.1) as values, and the rules they are held to (RFC 8725 3.8 to 3.10).
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace lotagate::access {

inline constexpr std::size_t kMaxSubjectBytes = 256;

struct Claims {
  std::string issuer;
  std::string subject;                 // visible ASCII: it enters a header field and a URL path
  std::string tenant;                  // claim `tenant`; empty when absent
  std::vector<std::string> audiences;  // empty when absent
  WallTime expires;                    // times saturate at the ends of WallTime
  std::optional<WallTime> not_before;
  std::optional<WallTime> issued_at;
};

struct ClaimRules {
  std::string_view issuer;
  std::span<const std::string> audiences;  // empty: `aud` is not asked for
  seconds clock_skew{30};
};

// Reads the claims from a JWS payload of at most `max_bytes`; a refusal is a static reason. `iss`, `sub` and `exp` are
// required. NumericDates must be JSON numbers; text, NaN and the like are refused.
std::expected<Claims, std::string_view> parse_claims(std::string_view payload, std::size_t max_bytes);

// Errors: expired_token when `now` is at or after exp + skew, invalid_token for everything else.
Result<void> check_claims(const Claims& claims, const ClaimRules& rules, WallTime now);

}  // namespace lotagate::access
