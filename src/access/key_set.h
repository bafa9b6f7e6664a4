// The keys of one issuer (RFC 7517 5), parsed as a whole and immutable: a new fetch is a new set.
#pragma once

#include <array>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jose/algorithm.h"
#include "jose/key.h"

namespace lotagate::access {

inline constexpr std::size_t kMaxJwksBytes = 256 * 1024;
inline constexpr std::size_t kMaxJwksKeys = 100;
// A token without kid is tried against these many keys: each try costs a signature verification.
inline constexpr std::size_t kMaxKeyTries = 4;

// A key of the document that cannot be used, for the log.
struct SkippedKey {
  std::string kid;
  std::string_view reason;  // static
};

// Up to kMaxKeyTries keys; they live as long as their set.
struct KeyCandidates {
  std::array<const jose::VerificationKey*, kMaxKeyTries> keys{};
  std::size_t count = 0;
  std::span<const jose::VerificationKey* const> all() const { return {keys.data(), count}; }
};

class KeySet {
 public:
  // The key with exactly this kid, if it verifies `algorithm`; null otherwise. In a set made of a secret the algorithm
  // alone decides: the configuration names the one secret of the issuer, and a token's kid has nothing to choose.
  const jose::VerificationKey* find(std::string_view kid, jose::Algorithm algorithm) const;
  // For a token that names no key: the first keys that verify `algorithm`.
  KeyCandidates find_without_kid(jose::Algorithm algorithm) const;
  std::span<const jose::VerificationKey> keys() const { return keys_; }
  std::span<const SkippedKey> skipped() const { return skipped_; }

 private:
  friend std::expected<KeySet, std::string> parse_jwks(std::string_view json);
  friend std::expected<KeySet, std::string> secret_key_set(std::string_view secret,
                                                           std::span<const jose::Algorithm> algorithms);
  std::vector<jose::VerificationKey> keys_;  // at most kMaxJwksKeys: a scan costs nothing beside the signature
  std::vector<SkippedKey> skipped_;
  bool of_secret_ = false;
};

// Parses a JWKS document. Keys that cannot be used are skipped (RFC 7517 5). The whole set is refused, so that the
// last good one stays, when it is not strict JSON, exceeds the limits above, holds no usable key, repeats a kid, or
// holds symmetric or private material (a sign of a broken or hostile source).
std::expected<KeySet, std::string> parse_jwks(std::string_view json);

// The set of an issuer whose tokens carry HMACs: one key without kid for each of `algorithms`, all with this secret. It
// never comes from a JWKS document (RFC 8725 3.1, 3.2). Refused without an algorithm, with one that needs a public key,
// with one twice, and with a secret shorter than the hash of one of them (RFC 7518 3.2).
std::expected<KeySet, std::string> secret_key_set(std::string_view secret, std::span<const jose::Algorithm> algorithms);

}  // namespace lotagate::access
