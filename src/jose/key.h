// A key that verifies signatures of one algorithm, checked and prepared once, immutable afterwards.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "jose/algorithm.h"

struct evp_pkey_st;     // OpenSSL's EVP_PKEY
struct evp_md_ctx_st;   // EVP_MD_CTX
struct evp_mac_ctx_st;  // EVP_MAC_CTX

namespace lotagate::jose {

inline constexpr std::size_t kMaxKidBytes = 256;

// Move-only. Several threads may verify with one key at the same time.
class VerificationKey {
 public:
  // Empty without one.
  std::string_view kid() const { return kid_; }
  KeyType type() const { return traits_of(algorithm_).key_type; }
  Algorithm algorithm() const { return algorithm_; }
  // Whether a signature of `algorithm` may be checked with this key: the key decides, not the token, and it stands for
  // one algorithm only (RFC 8725 3.1).
  bool allows(Algorithm algorithm) const { return algorithm == algorithm_; }

  // Whether `signature`, in the form that JWS gives it, is the one of `message`. Any signature has one length: RSA's
  // that of the modulus (RFC 8017 8.1.2, 8.2.2), ECDSA's r || s 64, 96 or 132 bytes (RFC 7518 3.4), EdDSA's 64
  // (RFC 8037 3.1), HMAC's that of the hash; HMACs are compared in constant time.
  bool verifies(std::string_view message, std::string_view signature) const;

 private:
  friend std::expected<VerificationKey, std::string_view> make_verification_key(evp_pkey_st& key, Algorithm algorithm,
                                                                                std::string kid);
  friend std::expected<VerificationKey, std::string_view> make_secret_key(std::string_view secret, Algorithm algorithm);
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
    void operator()(evp_mac_ctx_st* context) const noexcept;
  };
  VerificationKey(Algorithm algorithm, std::string kid) : algorithm_(algorithm), kid_(std::move(kid)) {}
  bool verifies_signature(std::string_view message, std::string_view signature) const;
  bool verifies_mac(std::string_view message, std::string_view mac) const;

  Algorithm algorithm_;
  std::size_t signature_bytes_ = 0;
  // One of the two: a context that holds key, hash and padding and has seen no message. Every verification works on a
  // copy: making one anew looks up the algorithms' implementations and takes 2.3 us more for RS256, 0.4 us for HS256.
  std::unique_ptr<evp_md_ctx_st, Free> signature_;
  std::unique_ptr<evp_mac_ctx_st, Free> mac_;
  std::string order_;  // big-endian, of an EC key's curve; empty for others
  std::string kid_;
};

// A public key of the type that `algorithm` needs, or a static reason. `key` is shared, not taken.
std::expected<VerificationKey, std::string_view> make_verification_key(evp_pkey_st& key, Algorithm algorithm,
                                                                       std::string kid);

// A secret for HS256, HS384 or HS512, or a static reason: `secret_for_another_algorithm`, `secret_too_short` for fewer
// bytes than the hash has (RFC 7518 3.2). The key has no kid; OpenSSL wipes its copy of the secret at the end.
std::expected<VerificationKey, std::string_view> make_secret_key(std::string_view secret, Algorithm algorithm);

}  // namespace lotagate::jose
