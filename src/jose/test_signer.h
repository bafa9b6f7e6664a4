// For tests only: fresh keys and the tokens they sign. Header-only, so that it is part of no product library.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "jose/algorithm.h"
#include "jose/base64url.h"

namespace lotagate::jose {

class TestSigner {
 public:
  explicit TestSigner(Algorithm algorithm, std::string kid = "key-1", unsigned rsa_bits = 2048)
      : algorithm_(algorithm), kid_(std::move(kid)), key_(generate(algorithm, rsa_bits), EVP_PKEY_free) {
    LG_CHECK(key_ != nullptr, "no test key");
  }

  Algorithm algorithm() const { return algorithm_; }
  const std::string& kid() const { return kid_; }

  // The members that carry the public numbers, without braces.
  std::string jwk_numbers() const {
    switch (algorithm_) {
      case Algorithm::RS256: return R"("kty":"RSA","n":")" + number("n") + R"(","e":")" + number("e") + '"';
      case Algorithm::ES256: {
        std::string point(65, '\0');
        std::size_t size = 0;
        EVP_PKEY_get_octet_string_param(key_.get(), OSSL_PKEY_PARAM_PUB_KEY, bytes(point), point.size(), &size);
        return R"("kty":"EC","crv":"P-256","x":")" + base64url_encode(point.substr(1, 32)) + R"(","y":")" +
               base64url_encode(point.substr(33)) + '"';
      }
      case Algorithm::EdDSA: {
        std::string x(32, '\0');
        std::size_t size = x.size();
        EVP_PKEY_get_raw_public_key(key_.get(), bytes(x), &size);
        return R"("kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(x) + '"';
      }
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
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const EVP_MD* digest = algorithm_ == Algorithm::EdDSA ? nullptr : EVP_sha256();
    std::string out(1024, '\0');
    std::size_t size = out.size();
    LG_CHECK(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
                 EVP_DigestSign(context.get(), bytes(out), &size, reinterpret_cast<const unsigned char*>(input.data()),
                                input.size()) == 1,
             "a test key does not sign");
    out.resize(size);
    return algorithm_ == Algorithm::ES256 ? der_to_raw(out) : out;
  }

 private:
  static unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

  static EVP_PKEY* generate(Algorithm algorithm, unsigned rsa_bits) {
    switch (algorithm) {
      case Algorithm::RS256: return EVP_RSA_gen(rsa_bits);
      case Algorithm::ES256: return EVP_EC_gen("P-256");
      case Algorithm::EdDSA: return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    }
    return nullptr;
  }

  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string out(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, bytes(out));
    BN_free(value);
    return base64url_encode(out);
  }

  static std::string der_to_raw(const std::string& der) {
    auto at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* parsed = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string raw(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(parsed), bytes(raw), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parsed), bytes(raw) + 32, 32);
    ECDSA_SIG_free(parsed);
    return raw;
  }

  Algorithm algorithm_;
  std::string kid_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

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
