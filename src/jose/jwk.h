// Public keys from JWKs (RFC 7517, 7518 6, 8037 2).
#pragma once

#include <expected>
#include <string_view>

#include "jose/key.h"

namespace simdjson::dom {
class element;
}  // namespace simdjson::dom

namespace lotagate::jose {

// Keys beyond 8192 bits make every verification a burden; below 2048 they are weak (RFC 7518 3.3).
inline constexpr int kMinRsaBits = 2048;
inline constexpr int kMaxRsaBits = 8192;

// The key of one JWK, or a static reason why it cannot verify anything: unknown kty, curve or alg, an `alg`, `use` or
// `key_ops` for something else, weak or malformed numbers, a point off its curve or of small order, symmetric or
// private members. It verifies the algorithm that its `alg` names. Without `alg` an EC or OKP key stands for its
// curve's algorithm and an RSA key for RS256: a key has one algorithm (RFC 8725 3.1), and RS256 is the one that sets
// without `alg` are for in practice (OpenID Connect's default).
std::expected<VerificationKey, std::string_view> make_public_key(const simdjson::dom::element& jwk);

// The same from JSON text.
std::expected<VerificationKey, std::string_view> parse_jwk(std::string_view json);

// Whether the JWK carries what nobody may publish: a symmetric key, or a private member of any kind of key.
bool has_secret_material(const simdjson::dom::element& jwk);

}  // namespace lotagate::jose
