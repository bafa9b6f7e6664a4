// For tests only: fresh keys and the tokens they sign. Header-only, so that it is part of no product library.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "jose/algorithm.h"
#include "jose/base64url.h"
#include "jose/jwk.h"

namespace lotagate::jose {

class TestSigner {
 public:
  explicit TestSigner(Algorithm algorithm, std::string kid = "key-1", unsigned rsa_bits = 2048)
      : algorithm_(algorithm),
        kid_(std::move(kid)),
        secret_(random_secret(algorithm)),
        key_(generate(algorithm, rsa_bits), EVP_PKEY_free) {
    LG_CHECK(key_ != nullptr || is_symmetric(algorithm), "no test key");
  }

  Algorithm algorithm() const { return algorithm_; }
  const std::string& kid() const { return kid_; }

  // The bytes that sign and verify; of HS256, HS384 and HS512 only.
  const std::string& secret() const { return secret_; }

  // The members that carry the public numbers (or the secret), without braces.
  std::string jwk_numbers() const {
    switch (traits_of(algorithm_).key_type) {
      case KeyType::rsa: return R"("kty":"RSA","n":")" + number("n") + R"(","e":")" + number("e") + '"';
      case KeyType::ec_p256: return ec_numbers("P-256", 32);
      case KeyType::ec_p384: return ec_numbers("P-384", 48);
      case KeyType::ec_p521: return ec_numbers("P-521", 66);
      case KeyType::ed25519: {
        std::string x(32, '\0');
        std::size_t size = x.size();
        EVP_PKEY_get_raw_public_key(key_.get(), bytes(x), &size);
        return R"("kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(x) + '"';
      }
      case KeyType::secret: return R"("kty":"oct","k":")" + base64url_encode(secret_) + '"';
    }
    return {};
  }

  std::string jwk() const {
    return "{" + jwk_numbers() + R"(,"use":"sig","alg":")" + std::string(algorithm_name(algorithm_)) +
           (kid_.empty() ? "\"}" : R"(","kid":")" + kid_ + "\"}");
  }

  std::string header() const {
    return R"({"alg":")" + std::string(algorithm_name(algorithm_)) +
           (kid_.empty() ? "\"}" : R"(","kid":")" + kid_ + "\"}");
  }

  // A compact JWS with the usual header, or with any other.
  std::string sign(std::string_view payload) const { return sign_with_header(header(), payload); }
  std::string sign_with_header(std::string_view header_json, std::string_view payload) const {
    return sign_input(base64url_encode(header_json) + "." + base64url_encode(payload));
  }
  // Signs whatever stands before the second dot.
  std::string sign_input(const std::string& input) const { return input + "." + base64url_encode(signature(input)); }

  // The bytes of the JWS signature; for ECDSA r || s.
  std::string signature(std::string_view input) const {
    if (is_symmetric(algorithm_)) return hmac(input);
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* key_context = nullptr;
    LG_CHECK(EVP_DigestSignInit(context.get(), &key_context, digest(), nullptr, key_.get()) == 1, "no signing");
    if (algorithm_name(algorithm_).starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, pss_salt_bytes_);
    }
    std::string out(1024, '\0');
    std::size_t size = out.size();
    LG_CHECK(EVP_DigestSign(context.get(), bytes(out), &size, reinterpret_cast<const unsigned char*>(input.data()),
                            input.size()) == 1,
             "a test key does not sign");
    out.resize(size);
    return algorithm_name(algorithm_).starts_with("ES") ? der_to_raw(out) : out;
  }

  // PSS with another salt than the standard's: a number of bytes.
  void set_pss_salt_bytes(int count) { pss_salt_bytes_ = count; }

 private:
  static unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

  static EVP_PKEY* generate(Algorithm algorithm, unsigned rsa_bits) {
    switch (traits_of(algorithm).key_type) {
      case KeyType::rsa: return EVP_RSA_gen(rsa_bits);
      case KeyType::ec_p256: return EVP_EC_gen("P-256");
      case KeyType::ec_p384: return EVP_EC_gen("P-384");
      case KeyType::ec_p521: return EVP_EC_gen("P-521");
      case KeyType::ed25519: return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
      case KeyType::secret: break;
    }
    return nullptr;
  }

  static std::string random_secret(Algorithm algorithm) {
    std::string out(is_symmetric(algorithm) ? traits_of(algorithm).hash_bytes : 0, '\0');
    LG_CHECK(RAND_bytes(bytes(out), static_cast<int>(out.size())) == 1, "no random bytes");
    return out;
  }

  const EVP_MD* digest() const {
    switch (traits_of(algorithm_).hash_bytes) {
      case 32: return EVP_sha256();
      case 48: return EVP_sha384();
      case 64: return EVP_sha512();
      default: return nullptr;
    }
  }

  std::string hmac(std::string_view input) const {
    std::string out(traits_of(algorithm_).hash_bytes, '\0');
    LG_CHECK(HMAC(digest(), secret_.data(), static_cast<int>(secret_.size()),
                  reinterpret_cast<const unsigned char*>(input.data()), input.size(), bytes(out), nullptr) != nullptr,
             "no HMAC");
    return out;
  }

  std::string ec_numbers(const std::string& curve, std::size_t coordinate_bytes) const {
    std::string point(1 + 2 * coordinate_bytes, '\0');
    std::size_t size = 0;
    EVP_PKEY_get_octet_string_param(key_.get(), OSSL_PKEY_PARAM_PUB_KEY, bytes(point), point.size(), &size);
    return R"("kty":"EC","crv":")" + curve + R"(","x":")" + base64url_encode(point.substr(1, coordinate_bytes)) +
           R"(","y":")" + base64url_encode(point.substr(1 + coordinate_bytes)) + '"';
  }

  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string out(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, bytes(out));
    BN_free(value);
    return base64url_encode(out);
  }

  std::string der_to_raw(const std::string& der) const {
    auto at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* parsed = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    int half = (EVP_PKEY_get_bits(key_.get()) + 7) / 8;
    std::string raw(static_cast<std::size_t>(2 * half), '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(parsed), bytes(raw), half);
    BN_bn2binpad(ECDSA_SIG_get0_s(parsed), bytes(raw) + half, half);
    ECDSA_SIG_free(parsed);
    return raw;
  }

  Algorithm algorithm_;
  std::string kid_;
  std::string secret_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;  // null for a secret
  int pss_salt_bytes_ = RSA_PSS_SALTLEN_DIGEST;
};

// The key that verifies what `signer` signs, as a gateway would get it: from its JWK or from its secret.
inline VerificationKey verification_key_of(const TestSigner& signer) {
  auto key =
      is_symmetric(signer.algorithm()) ? make_secret_key(signer.secret(), signer.algorithm()) : parse_jwk(signer.jwk());
  LG_CHECK(key.has_value(), "a test key is refused");
  return *std::move(key);
}

// {"keys":[...]} of the signers' public keys.
inline std::string jwks_of(const std::vector<const TestSigner*>& signers) {
  std::string out = R"({"keys":[)";
  for (const auto* signer : signers) {
    if (signer != signers.front()) out += ',';
    out += signer->jwk();
  }
  return out + "]}";
}

}  // namespace lotagate::jose
