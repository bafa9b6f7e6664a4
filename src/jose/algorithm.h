// JWS signature algorithms (RFC 7518 3.1, RFC 8037) that this product can verify.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace lotagate::jose {

// clang-format off
enum class Algorithm : std::uint8_t {
  RS256, RS384, RS512,  // RSASSA-PKCS1-v1_5
  PS256, PS384, PS512,  // RSASSA-PSS, the salt as long as the hash
  ES256, ES384, ES512,  // ECDSA on P-256, P-384, P-521
  EdDSA,                // Ed25519
  HS256, HS384, HS512,  // HMAC: whoever verifies could also sign
};
// clang-format on

// Kinds of keys (RFC 7518 6.1, RFC 8037 2), a curve being part of the kind. `secret` never comes from a JWK.
enum class KeyType : std::uint8_t { rsa, ec_p256, ec_p384, ec_p521, ed25519, secret };

struct AlgorithmTraits {
  std::string_view name;    // as in `alg`
  KeyType key_type;         // the one kind of key that fits
  std::uint8_t hash_bytes;  // 0: the hash is part of the scheme
};

// Indexed by Algorithm.
inline constexpr std::array<AlgorithmTraits, 13> kAlgorithmTraits{{
    {"RS256", KeyType::rsa, 32},
    {"RS384", KeyType::rsa, 48},
    {"RS512", KeyType::rsa, 64},
    {"PS256", KeyType::rsa, 32},
    {"PS384", KeyType::rsa, 48},
    {"PS512", KeyType::rsa, 64},
    {"ES256", KeyType::ec_p256, 32},
    {"ES384", KeyType::ec_p384, 48},
    {"ES512", KeyType::ec_p521, 64},
    {"EdDSA", KeyType::ed25519, 0},
    {"HS256", KeyType::secret, 32},
    {"HS384", KeyType::secret, 48},
    {"HS512", KeyType::secret, 64},
}};

constexpr const AlgorithmTraits& traits_of(Algorithm algorithm) {
  return kAlgorithmTraits[static_cast<std::size_t>(algorithm)];
}

constexpr std::string_view algorithm_name(Algorithm algorithm) { return traits_of(algorithm).name; }

// Whether a shared secret verifies it, so that whoever verifies could also sign.
constexpr bool is_symmetric(Algorithm algorithm) { return traits_of(algorithm).key_type == KeyType::secret; }

// Every algorithm, and every name, in the order of the enumeration.
inline constexpr auto kAlgorithms = [] {
  std::array<Algorithm, kAlgorithmTraits.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Algorithm>(i);
  return all;
}();
inline constexpr auto kAlgorithmNames = [] {
  std::array<std::string_view, kAlgorithmTraits.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = kAlgorithmTraits[i].name;
  return all;
}();

// Those that public keys verify: all but HMAC, which stands last.
inline constexpr auto kPublicKeyAlgorithmNames = std::span(kAlgorithmNames).first<10>();

// Exact, case-sensitive; "none" and everything unknown is nothing.
constexpr std::optional<Algorithm> parse_algorithm(std::string_view name) {
  for (Algorithm algorithm : kAlgorithms) {
    if (algorithm_name(algorithm) == name) return algorithm;
  }
  return std::nullopt;
}

// The table stands in the order of the enumeration.
static_assert(parse_algorithm("RS256") == Algorithm::RS256 && parse_algorithm("PS256") == Algorithm::PS256 &&
              parse_algorithm("ES512") == Algorithm::ES512 && parse_algorithm("EdDSA") == Algorithm::EdDSA &&
              parse_algorithm("HS512") == Algorithm::HS512 && kPublicKeyAlgorithmNames.back() == "EdDSA");

}  // namespace lotagate::jose
