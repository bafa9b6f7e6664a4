#include "users/signing_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <array>
#include <stdexcept>

#include "base/check.h"
#include "common/base64url.h"
#include "common/json_writer.h"

namespace lotagate::users {
namespace {

using services::base64url_encode;
using services::JsonWriter;

constexpr int kRsaBits = 2048;
constexpr int kP256Bytes = 32;
constexpr std::size_t kEd25519Bytes = 32;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

std::string digest_of(std::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// A public number of the key as base64url of its big-endian bytes (RFC 7518 6.2.1, 6.3.1). `bytes` 0: as few as it has.
std::string public_number(const EVP_PKEY* key, const char* name, int bytes = 0) {
  BIGNUM* number = nullptr;
  LG_CHECK(EVP_PKEY_get_bn_param(key, name, &number) == 1, "a key has its public numbers");
  int length = bytes == 0 ? BN_num_bytes(number) : bytes;
  std::string text(static_cast<std::size_t>(length), '\0');
  int written = BN_bn2binpad(number, reinterpret_cast<unsigned char*>(text.data()), length);
  BN_free(number);
  LG_CHECK(written == length, "a public number fits");
  return base64url_encode(text);
}

std::string ed25519_point(const EVP_PKEY* key) {
  std::string bytes(kEd25519Bytes, '\0');
  std::size_t length = bytes.size();
  int got = EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(bytes.data()), &length);
  LG_CHECK(got == 1 && length == kEd25519Bytes, "an Ed25519 key has a public half");
  return base64url_encode(bytes);
}

// The members that RFC 7638 hashes: the required ones in lexical order.
std::string required_members(const EVP_PKEY* key, Algorithm algorithm) {
  JsonWriter json;
  json.begin_object();
  switch (algorithm) {
    case Algorithm::kRs256:
      json.member("e", public_number(key, OSSL_PKEY_PARAM_RSA_E)).member("kty", "RSA");
      json.member("n", public_number(key, OSSL_PKEY_PARAM_RSA_N));
      break;
    case Algorithm::kEs256:
      json.member("crv", "P-256").member("kty", "EC");
      json.member("x", public_number(key, OSSL_PKEY_PARAM_EC_PUB_X, kP256Bytes));
      json.member("y", public_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, kP256Bytes));
      break;
    case Algorithm::kEdDsa: json.member("crv", "Ed25519").member("kty", "OKP").member("x", ed25519_point(key)); break;
  }
  return json.end_object().take();
}

std::optional<Algorithm> algorithm_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) >= kRsaBits) return Algorithm::kRs256;
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return Algorithm::kEdDsa;
  if (EVP_PKEY_is_a(key, "EC") != 1) return std::nullopt;
  std::array<char, 32> group{};
  EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr);
  if (std::string_view(group.data()) == "prime256v1") return Algorithm::kEs256;
  return std::nullopt;
}

// OpenSSL writes an ECDSA signature in DER, JWS as r and s of 32 bytes each.
std::string plain_ecdsa(std::string_view der) {
  const auto* start = reinterpret_cast<const unsigned char*>(der.data());
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> parsed(
      d2i_ECDSA_SIG(nullptr, &start, static_cast<long>(der.size())), ECDSA_SIG_free);
  LG_CHECK(parsed != nullptr, "OpenSSL reads its own signatures");
  std::string plain(2 * kP256Bytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(plain.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), out, kP256Bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), out + kP256Bytes, kP256Bytes);
  return plain;
}

}  // namespace

std::string_view to_text(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kRs256: return "RS256";
    case Algorithm::kEs256: return "ES256";
    case Algorithm::kEdDsa: return "EdDSA";
  }
  return {};
}

std::optional<Algorithm> parse_algorithm(std::string_view text) {
  for (Algorithm algorithm : {Algorithm::kRs256, Algorithm::kEs256, Algorithm::kEdDsa}) {
    if (text == to_text(algorithm)) return algorithm;
  }
  return std::nullopt;
}

void SigningKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

SigningKey SigningKey::generate(Algorithm algorithm) {
  Key key;
  switch (algorithm) {
    case Algorithm::kRs256: key.reset(EVP_RSA_gen(kRsaBits)); break;
    case Algorithm::kEs256: key.reset(EVP_EC_gen("P-256")); break;
    case Algorithm::kEdDsa: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); break;
  }
  LG_CHECK(key != nullptr, "OpenSSL makes keys");
  return {std::move(key), algorithm};
}

std::optional<SigningKey> SigningKey::from_pem(const std::string& pem) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  // A passphrase would be asked for on the terminal.
  auto no_passphrase = [](char*, int, int, void*) { return -1; };
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) return std::nullopt;
  auto algorithm = algorithm_of(key.get());
  if (!algorithm) return std::nullopt;
  return SigningKey(std::move(key), *algorithm);
}

std::string SigningKey::to_pem() const {
  Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  int written = PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  LG_CHECK(written == 1, "a key can be encoded");
  char* pem = nullptr;
  long bytes = BIO_get_mem_data(bio.get(), &pem);
  return {pem, static_cast<std::size_t>(bytes)};
}

SigningKey::SigningKey(Key key, Algorithm algorithm) : key_(std::move(key)), algorithm_(algorithm) {
  std::string members = required_members(key_.get(), algorithm);
  id_ = base64url_encode(digest_of(members));
  members.pop_back();
  JsonWriter more;
  more.begin_object().member("kid", id_).member("use", "sig").member("alg", to_text(algorithm)).end_object();
  jwk_ = members + "," + more.take().substr(1);
}

std::string SigningKey::sign(std::string_view message) const {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  std::size_t bytes = signature.size();
  const EVP_MD* digest = algorithm_ == Algorithm::kEdDsa ? nullptr : EVP_sha256();
  bool signed_ = EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
                 EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &bytes,
                                reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  if (!signed_) throw std::runtime_error("signing a token failed");
  signature.resize(bytes);
  return algorithm_ == Algorithm::kEs256 ? plain_ecdsa(signature) : signature;
}

}  // namespace lotagate::users
