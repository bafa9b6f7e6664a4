// The claims of a JWT (RFC 7519 4): the registered ones as values with the rules they are held to (RFC 8725 3.8 to
// 3.10), the others by their paths.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace lotagate::access {

inline constexpr std::size_t kMaxSubjectBytes = 256;  // of a `sub` claim
// What the configuration may put before the subjects of an issuer.
inline constexpr std::size_t kMaxSubjectPrefixBytes = 64;
// Of what a caller is known by: to services, in the User Management Service and in its answers.
inline constexpr std::size_t kMaxPrefixedSubjectBytes = kMaxSubjectPrefixBytes + kMaxSubjectBytes;

struct Claims {
  std::string issuer;
  std::string subject;                 // visible ASCII: it enters a header field and a URL path
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

// A claims set that was read as strict JSON. Move-only.
class ClaimSet {
 public:
  enum class Kind : std::uint8_t { absent, text, list, malformed };
  // What may stand at a path beside strings and arrays of strings.
  enum class Scalars : std::uint8_t { strings, any };

  ~ClaimSet();
  ClaimSet(ClaimSet&&) noexcept;
  ClaimSet& operator=(ClaimSet&&) noexcept;

  const Claims& registered() const { return registered_; }

  // A path is the whole name of a member ("https://example.com/roles"), or, if there is none of that name, names of
  // nested members joined by dots ("realm_access.roles"). A null is as good as absent.
  bool has(std::string_view path) const;
  // Puts the string at `path` (text), or the elements of an array of strings there (list), into `texts`. With
  // Scalars::any numbers and booleans count as the texts that JSON has for them.
  Kind read(std::string_view path, Scalars scalars, std::vector<std::string>& texts) const;

 private:
  friend std::expected<ClaimSet, std::string_view> parse_claims(std::string_view payload, std::size_t max_bytes);
  struct Document;
  explicit ClaimSet(std::unique_ptr<Document> document);

  std::unique_ptr<Document> document_;
  Claims registered_;
};

// Reads the claims from a JWS payload of at most `max_bytes`; a refusal is a static reason. `iss`, `sub` and `exp` are
// required. NumericDates must be JSON numbers; text, NaN and the like are refused.
std::expected<ClaimSet, std::string_view> parse_claims(std::string_view payload, std::size_t max_bytes);

// Errors: expired_token when `now` is at or after exp + skew, invalid_token for everything else.
Result<void> check_claims(const Claims& claims, const ClaimRules& rules, WallTime now);

}  // namespace lotagate::access
