#include "users/signing_key.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <stdexcept>

#include "base/check.h"
#include "common/base64url.h"
#include "common/files.h"
#include "common/json_writer.h"
#include "common/startup_error.h"

namespace lotagate::users {
namespace {

constexpr int kKeyBits = 2048;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

// A public number of the key as base64url of its big-endian bytes (RFC 7518 6.3.1).
std::string public_number(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  LG_CHECK(EVP_PKEY_get_bn_param(key, name, &number) == 1, "an RSA key has its public numbers");
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(number);
  return services::base64url_encode(bytes);
}

std::string thumbprint(std::string_view exponent, std::string_view modulus) {
  services::JsonWriter canonical;  // RFC 7638: the required members in lexical order, no spaces
  canonical.begin_object().member("e", exponent).member("kty", "RSA").member("n", modulus).end_object();
  std::string text = canonical.take();
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return services::base64url_encode(digest);
}

}  // namespace

void SigningKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

SigningKey SigningKey::load_or_create(const std::string& path) {
  auto pem = services::read_file(path);
  return SigningKey(pem ? parse(*pem, path) : generate(path));
}

SigningKey::Key SigningKey::parse(const std::string& pem, const std::string& path) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr || EVP_PKEY_is_a(key.get(), "RSA") != 1 || EVP_PKEY_get_bits(key.get()) < kKeyBits) {
    throw services::StartupError(fmt::format("{} does not hold an RSA private key of {} bits or more", path, kKeyBits));
  }
  return key;
}

SigningKey::Key SigningKey::generate(const std::string& path) {
  Key key(EVP_RSA_gen(kKeyBits));
  LG_CHECK(key != nullptr, "OpenSSL makes RSA keys");
  Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  int written = PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  LG_CHECK(written == 1, "a new key can be encoded");
  char* pem = nullptr;
  long bytes = BIO_get_mem_data(bio.get(), &pem);
  services::write_private_file(path, std::string_view(pem, static_cast<std::size_t>(bytes)));
  return key;
}

SigningKey::SigningKey(Key key) : key_(std::move(key)) {
  std::string exponent = public_number(key_.get(), OSSL_PKEY_PARAM_RSA_E);
  std::string modulus = public_number(key_.get(), OSSL_PKEY_PARAM_RSA_N);
  id_ = thumbprint(exponent, modulus);
  services::JsonWriter json;
  json.begin_object().member("kty", "RSA").member("use", "sig").member("alg", "RS256").member("kid", id_);
  json.member("n", modulus).member("e", exponent).end_object();
  jwk_ = json.take();
}

std::string SigningKey::sign(std::string_view message) const {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  std::size_t bytes = signature.size();
  bool signed_ = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
                 EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &bytes,
                                reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  if (!signed_) throw std::runtime_error("signing a token failed");
  signature.resize(bytes);
  return signature;
}

}  // namespace lotagate::users
