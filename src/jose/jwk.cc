#include "jose/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "jose/base64url.h"
#include "jose/ed25519.h"
#include "jose/openssl_handles.h"
#include "jose/strict_json.h"

namespace lotagate::jose {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxJwkBytes = 64 * 1024;  // an x5c chain may be in it
constexpr std::size_t kMaxExponentBytes = 8;     // a longer one only makes verification slow

using BigNumber = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

template <typename T>
using OrReason = std::expected<T, std::string_view>;

std::unexpected<std::string_view> refuse(std::string_view reason) { return std::unexpected(reason); }

bool has_member(const dom::object& jwk, std::string_view name) { return jwk.at_key(name).error() == simdjson::SUCCESS; }

// The member's text, nothing when it is absent, an error when it is anything but a string.
OrReason<std::optional<std::string_view>> optional_string(const dom::object& jwk, std::string_view name,
                                                          std::string_view reason) {
  dom::element value;
  if (jwk.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return refuse(reason);
  return text;
}

OrReason<std::string> base64url_member(const dom::object& jwk, std::string_view name, std::string_view reason) {
  std::string_view text;
  if (jwk.at_key(name).get(text) != simdjson::SUCCESS) return refuse(reason);
  auto bytes = base64url_decode(text);
  if (!bytes) return refuse(reason);
  return *std::move(bytes);
}

bool key_ops_allow_verify(const dom::object& jwk) {
  dom::element value;
  if (jwk.at_key("key_ops").get(value) != simdjson::SUCCESS) return true;
  dom::array operations;
  if (value.get(operations) != simdjson::SUCCESS) return false;
  bool verify = false;
  for (dom::element element : operations) {
    std::string_view operation;
    if (element.get(operation) != simdjson::SUCCESS) return false;
    verify = verify || operation == "verify";
  }
  return verify;
}

KeyHandle key_from_params(const char* type, OSSL_PARAM_BLD* builder) {
  Params params(OSSL_PARAM_BLD_to_param(builder));
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return KeyHandle(key);
}

OrReason<KeyHandle> make_rsa(const dom::object& jwk) {
  auto n = base64url_member(jwk, "n", "key_modulus_malformed");
  if (!n) return refuse(n.error());
  auto e = base64url_member(jwk, "e", "key_exponent_malformed");
  if (!e) return refuse(e.error());
  // RFC 7518 2 (Base64urlUInt): the minimum number of octets, so no leading zero.
  if (n->empty() || n->front() == '\0' || n->size() > kMaxRsaBits / 8) return refuse("key_modulus_malformed");
  if (e->empty() || e->front() == '\0' || e->size() > kMaxExponentBytes) return refuse("key_exponent_malformed");

  BigNumber modulus(BN_bin2bn(data_of(*n), static_cast<int>(n->size()), nullptr));
  BigNumber exponent(BN_bin2bn(data_of(*e), static_cast<int>(e->size()), nullptr));
  if (!modulus || !exponent) return refuse("key_out_of_memory");
  if (BN_num_bits(modulus.get()) < kMinRsaBits) return refuse("key_modulus_too_short");
  if (!BN_is_odd(modulus.get())) return refuse("key_modulus_even");
  if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get())) return refuse("key_exponent_weak");

  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return refuse("key_out_of_memory");
  }
  KeyHandle key = key_from_params("RSA", builder.get());
  if (!key) return refuse("key_rejected_by_openssl");
  return key;
}

struct Curve {
  const char* name;              // in JOSE and in OpenSSL
  std::size_t coordinate_bytes;  // RFC 7518 6.2.1.2: always this many
};

OrReason<KeyHandle> make_ec(const dom::object& jwk, Curve curve) {
  auto x = base64url_member(jwk, "x", "key_coordinate_malformed");
  if (!x) return refuse(x.error());
  auto y = base64url_member(jwk, "y", "key_coordinate_malformed");
  if (!y) return refuse(y.error());
  if (x->size() != curve.coordinate_bytes || y->size() != curve.coordinate_bytes) {
    return refuse("key_coordinate_malformed");
  }

  std::string point = '\x04' + *x + *y;  // SEC 1 2.3.3, uncompressed
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.name, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return refuse("key_out_of_memory");
  }
  KeyHandle key = key_from_params("EC", builder.get());
  if (!key) return refuse("key_point_off_curve");
  KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1) return refuse("key_point_off_curve");
  return key;
}

OrReason<KeyHandle> make_ed25519(const dom::object& jwk) {
  auto x = base64url_member(jwk, "x", "key_coordinate_malformed");
  if (!x) return refuse(x.error());
  if (x->size() != kEd25519KeyBytes || !is_canonical_ed25519_point(*x)) return refuse("key_coordinate_malformed");
  if (is_small_order_ed25519_point(*x)) return refuse("key_point_of_small_order");
  KeyHandle key(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, data_of(*x), x->size()));
  if (!key) return refuse("key_rejected_by_openssl");
  return key;
}

struct Shape {
  KeyType type;
  Algorithm algorithm;  // what a key of this type verifies when it has no `alg`
};

OrReason<Shape> shape_of(const dom::object& jwk) {
  std::string_view kty;
  if (jwk.at_key("kty").get(kty) != simdjson::SUCCESS) return refuse("key_type_missing");
  if (kty == "RSA") return Shape{KeyType::rsa, Algorithm::RS256};
  std::string_view crv;
  if (kty != "EC" && kty != "OKP") return refuse("key_type_unsupported");
  if (jwk.at_key("crv").get(crv) != simdjson::SUCCESS) return refuse("key_curve_missing");
  if (kty == "EC" && crv == "P-256") return Shape{KeyType::ec_p256, Algorithm::ES256};
  if (kty == "EC" && crv == "P-384") return Shape{KeyType::ec_p384, Algorithm::ES384};
  if (kty == "EC" && crv == "P-521") return Shape{KeyType::ec_p521, Algorithm::ES512};
  if (kty == "OKP" && crv == "Ed25519") return Shape{KeyType::ed25519, Algorithm::EdDSA};
  return refuse("key_curve_unsupported");
}

// What the JWK says it may be used for (RFC 7517 4.2 to 4.4): its algorithm, or why it verifies no signature.
OrReason<Algorithm> purpose_of(const dom::object& jwk, const Shape& shape) {
  auto use = optional_string(jwk, "use", "key_use_malformed");
  if (!use) return refuse(use.error());
  if (*use && **use != "sig") return refuse("key_not_for_signatures");
  if (!key_ops_allow_verify(jwk)) return refuse("key_not_for_verifying");
  auto name = optional_string(jwk, "alg", "key_algorithm_malformed");
  if (!name) return refuse(name.error());
  if (!*name) return shape.algorithm;
  auto algorithm = parse_algorithm(**name);
  if (!algorithm) return refuse("key_algorithm_unsupported");
  if (traits_of(*algorithm).key_type != shape.type) return refuse("key_algorithm_contradicts_type");
  return *algorithm;
}

OrReason<KeyHandle> make_handle(const dom::object& jwk, KeyType type) {
  switch (type) {
    case KeyType::rsa: return make_rsa(jwk);
    case KeyType::ec_p256: return make_ec(jwk, {"P-256", 32});
    case KeyType::ec_p384: return make_ec(jwk, {"P-384", 48});
    case KeyType::ec_p521: return make_ec(jwk, {"P-521", 66});
    case KeyType::ed25519: return make_ed25519(jwk);
    case KeyType::secret: break;  // no JWK has this shape
  }
  return refuse("key_type_unsupported");
}

}  // namespace

std::expected<VerificationKey, std::string_view> make_public_key(const dom::element& jwk_element) {
  ErrorQueueGuard guard;
  dom::object jwk;
  if (jwk_element.get(jwk) != simdjson::SUCCESS) return refuse("key_not_an_object");
  if (has_secret_material(jwk_element)) return refuse("key_not_public");
  auto kid = optional_string(jwk, "kid", "key_id_malformed");
  if (!kid) return refuse(kid.error());
  if (*kid && (*kid)->size() > kMaxKidBytes) return refuse("key_id_too_long");
  auto shape = shape_of(jwk);
  if (!shape) return refuse(shape.error());
  auto algorithm = purpose_of(jwk, *shape);
  if (!algorithm) return refuse(algorithm.error());
  auto handle = make_handle(jwk, shape->type);
  if (!handle) return refuse(handle.error());
  return make_verification_key(**handle, *algorithm, std::string(kid->value_or("")));
}

std::expected<VerificationKey, std::string_view> parse_jwk(std::string_view json) {
  dom::parser parser;
  dom::element document;
  auto refusal = parse_strict_json(parser, json, {.max_bytes = kMaxJwkBytes}, document);
  if (!refusal.empty()) return refuse(refusal);
  return make_public_key(document);
}

bool has_secret_material(const dom::element& jwk_element) {
  dom::object jwk;
  if (jwk_element.get(jwk) != simdjson::SUCCESS) return false;
  std::string_view kty;
  if (jwk.at_key("kty").get(kty) == simdjson::SUCCESS && kty == "oct") return true;
  // RFC 7518 6.2.2, 6.3.2, 6.4.1 and RFC 8037 2.
  constexpr std::array<std::string_view, 8> kSecretMembers{"k", "d", "p", "q", "dp", "dq", "qi", "oth"};
  return std::any_of(kSecretMembers.begin(), kSecretMembers.end(),
                     [&](std::string_view name) { return has_member(jwk, name); });
}

}  // namespace lotagate::jose
