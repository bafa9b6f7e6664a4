// A public key from a JWK (RFC 7517, 7518 6, 8037 2), checked once when it is loaded, immutable afterwards.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "jose/algorithm.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace simdjson::dom {
class element;
}  // namespace simdjson::dom

namespace lotagate::jose {

enum class KeyType : std::uint8_t { rsa, ec_p256, ed25519 };

// Keys beyond 8192 bits make every verification a burden; below 2048 they are weak (RFC 7518 3.3).
inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 8192;
inline constexpr std::size_t kMaxKidBytes = 256;

// Move-only. Several threads may verify with one key at the same time.
class PublicKey {
 public:
  // Empty when the JWK has none.
  std::string_view kid() const { return kid_; }
  KeyType type() const { return type_; }
  // The JWK's `alg`; without one, the algorithm its type and curve stand for.
  Algorithm algorithm() const { return algorithm_; }
  // Whether a signature of `algorithm` may be checked with this key (RFC 8725 3.1: the key decides, not the token).
  bool allows(Algorithm algorithm) const { return algorithm == algorithm_; }
  evp_pkey_st* handle() const { return handle_.get(); }

 private:
  friend std::expected<PublicKey, std::string_view> make_public_key(const simdjson::dom::element& jwk);
  struct Free {
    void operator()(evp_pkey_st* key) const noexcept;
  };
  using Handle = std::unique_ptr<evp_pkey_st, Free>;
  PublicKey(Handle handle, KeyType type, Algorithm algorithm, std::string kid)
      : handle_(std::move(handle)), type_(type), algorithm_(algorithm), kid_(std::move(kid)) {}

  Handle handle_;
  KeyType type_;
  Algorithm algorithm_;
  std::string kid_;
};

// The key of one JWK, or a static reason why it cannot verify anything: unknown kty, curve or alg, an `alg`, `use` or
// `key_ops` for something else, weak or malformed numbers, a point off its curve, symmetric or private members.
std::expected<PublicKey, std::string_view> make_public_key(const simdjson::dom::element& jwk);

// The same from JSON text.
std::expected<PublicKey, std::string_view> parse_jwk(std::string_view json);

// Whether the JWK carries what nobody may publish: a symmetric key, or a private member of any kind of key.
bool has_secret_material(const simdjson::dom::element& jwk);

}  // namespace lotagate::jose
