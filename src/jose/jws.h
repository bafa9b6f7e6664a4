// JWS compact serialisation (RFC 7515 7.1): reading it and checking its signature. Claims are not looked at here.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "jose/algorithm.h"

namespace lotagate::jose {

class VerificationKey;

// Larger tokens are refused before anything is decoded; also the default of the configuration.
inline constexpr std::size_t kMaxTokenBytes = 8 * 1024;

// A well-formed compact JWS; nothing in it is verified yet.
struct CompactJws {
  Algorithm algorithm;
  std::optional<std::string> kid;
  std::string typ;                 // empty when absent
  std::string_view signing_input;  // into the token: header '.' payload, as they were sent
  std::string payload;             // decoded bytes, not necessarily JSON
  std::string signature;           // decoded bytes
};

// Splits and decodes `token`, which must outlive the result. Refused with a static reason: more than `max_bytes`, not
// exactly three parts, base64url with another spelling, a header that is not one strict JSON object, `alg` missing or
// unsupported (so also "none"), `crit` and `b64` (no extension is understood here), `kid` or `typ` that is not a
// string. `jwk`, `jku`, `x5u` and `x5c` are not read: keys come from the configured issuer only (RFC 8725 3.10).
std::expected<CompactJws, std::string_view> parse_compact_jws(std::string_view token,
                                                              std::size_t max_bytes = kMaxTokenBytes);

// Checks the signature; a failure is a static reason: a key for another algorithm than the token's, or a mismatch.
std::expected<void, std::string_view> verify_signature(const CompactJws& jws, const VerificationKey& key);

// Both in one: a compact JWS and the one key that may have signed it.
std::expected<CompactJws, std::string_view> verify_compact_jws(std::string_view token, const VerificationKey& key,
                                                               std::size_t max_bytes = kMaxTokenBytes);

}  // namespace lotagate::jose
