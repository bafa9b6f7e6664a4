#include "jose/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>
#include <memory>
#include <utility>

#include "jose/ecdsa.h"
#include "jose/openssl_handles.h"

namespace lotagate::jose {
namespace {

using BigNumber = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using Mac = std::unique_ptr<EVP_MAC, Freer<EVP_MAC_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Freer<EVP_MAC_CTX_free>>;

constexpr std::size_t kEd25519SignatureBytes = 64;

std::unexpected<std::string_view> refuse(std::string_view reason) { return std::unexpected(reason); }

// OpenSSL's name of the hash; null for EdDSA, whose hash is part of it.
const char* digest_name(Algorithm algorithm) {
  switch (traits_of(algorithm).hash_bytes) {
    case 32: return "SHA256";
    case 48: return "SHA384";
    case 64: return "SHA512";
    default: return nullptr;
  }
}

bool is_pss(Algorithm algorithm) {
  return algorithm == Algorithm::PS256 || algorithm == Algorithm::PS384 || algorithm == Algorithm::PS512;
}

// RFC 7518 3.5: the salt is as long as the hash; MGF1 uses the same hash, which is OpenSSL's default.
bool use_pss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

// A context that is ready to verify; null when OpenSSL refuses.
DigestContext prepare_signature(EVP_PKEY& key, Algorithm algorithm) {
  DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // belongs to `context`
  if (!context || EVP_DigestVerifyInit_ex(context.get(), &key_context, digest_name(algorithm), nullptr, nullptr, &key,
                                          nullptr) != 1) {
    return nullptr;
  }
  if (is_pss(algorithm) && !use_pss(key_context)) return nullptr;
  return context;
}

MacContext prepare_mac(std::string_view secret, Algorithm algorithm) {
  Mac hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  if (!hmac) return nullptr;
  MacContext context(EVP_MAC_CTX_new(hmac.get()));
  std::string digest = digest_name(algorithm);  // the parameter wants it writable
  std::array params{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                    OSSL_PARAM_construct_end()};
  if (!context || EVP_MAC_init(context.get(), data_of(secret), secret.size(), params.data()) != 1) return nullptr;
  return context;
}

// The order of the key's curve, big-endian without leading zeros; empty when there is none.
std::string order_of(const EVP_PKEY& key) {
  BIGNUM* value = nullptr;
  if (EVP_PKEY_get_bn_param(&key, OSSL_PKEY_PARAM_EC_ORDER, &value) != 1) return {};
  BigNumber order(value);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
  return bytes;
}

}  // namespace

void VerificationKey::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }
void VerificationKey::Free::operator()(evp_mac_ctx_st* context) const noexcept { EVP_MAC_CTX_free(context); }

bool VerificationKey::verifies(std::string_view message, std::string_view signature) const {
  if (signature.size() != signature_bytes_) return false;
  ErrorQueueGuard guard;
  if (mac_) return verifies_mac(message, signature);
  if (order_.empty()) return verifies_signature(message, signature);
  auto der = ecdsa_to_der(signature, order_);
  return der && verifies_signature(message, *der);
}

bool VerificationKey::verifies_signature(std::string_view message, std::string_view signature) const {
  DigestContext context(EVP_MD_CTX_new());
  return context && EVP_MD_CTX_copy_ex(context.get(), signature_.get()) == 1 &&
         EVP_DigestVerify(context.get(), data_of(signature), signature.size(), data_of(message), message.size()) == 1;
}

bool VerificationKey::verifies_mac(std::string_view message, std::string_view mac) const {
  MacContext context(EVP_MAC_CTX_dup(mac_.get()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> expected{};
  std::size_t size = 0;
  return context && EVP_MAC_update(context.get(), data_of(message), message.size()) == 1 &&
         EVP_MAC_final(context.get(), expected.data(), &size, expected.size()) == 1 && size == mac.size() &&
         CRYPTO_memcmp(expected.data(), mac.data(), size) == 0;
}

std::expected<VerificationKey, std::string_view> make_verification_key(EVP_PKEY& key, Algorithm algorithm,
                                                                       std::string kid) {
  ErrorQueueGuard guard;
  VerificationKey made(algorithm, std::move(kid));
  switch (made.type()) {
    case KeyType::rsa: made.signature_bytes_ = static_cast<std::size_t>(EVP_PKEY_get_size(&key)); break;
    case KeyType::ec_p256:
    case KeyType::ec_p384:
    case KeyType::ec_p521:
      made.order_ = order_of(key);
      made.signature_bytes_ = 2 * made.order_.size();
      break;
    case KeyType::ed25519: made.signature_bytes_ = kEd25519SignatureBytes; break;
    case KeyType::secret: return refuse("key_for_another_algorithm");
  }
  made.signature_.reset(prepare_signature(key, algorithm).release());
  if (!made.signature_ || made.signature_bytes_ == 0) return refuse("key_rejected_by_openssl");
  return made;
}

std::expected<VerificationKey, std::string_view> make_secret_key(std::string_view secret, Algorithm algorithm) {
  if (!is_symmetric(algorithm)) return refuse("secret_for_another_algorithm");
  if (secret.size() < traits_of(algorithm).hash_bytes) return refuse("secret_too_short");
  ErrorQueueGuard guard;
  VerificationKey made(algorithm, {});
  made.signature_bytes_ = traits_of(algorithm).hash_bytes;
  made.mac_.reset(prepare_mac(secret, algorithm).release());
  if (!made.mac_) return refuse("key_rejected_by_openssl");
  return made;
}

}  // namespace lotagate::jose
