#include "users/master_key.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <memory>

#include "base/check.h"
#include "common/base64url.h"
#include "common/files.h"
#include "common/secrets.h"
#include "common/startup_error.h"

namespace lotagate::users {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;  // random: far below 2^32 seals with one key (NIST SP 800-38D 8.3)
constexpr std::size_t kTagBytes = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
int size_of(std::string_view text) { return static_cast<int>(text.size()); }

}  // namespace

MasterKey MasterKey::load_or_create(const std::string& path) {
  auto content = services::read_file(path);
  if (!content) {
    services::create_private_file(path, services::random_token(kKeyBytes) + "\n");
    content = services::read_file(path);  // another process may have been first
  }
  std::string_view line = content ? std::string_view(*content) : std::string_view();
  if (line.ends_with('\n')) line.remove_suffix(1);
  auto bytes = services::base64url_decode(line);
  if (!bytes || bytes->size() != kKeyBytes) {
    throw services::StartupError(fmt::format("{}: a master key is one line of 43 base64url characters", path));
  }
  return MasterKey(std::move(*bytes));
}

std::string MasterKey::seal(std::string_view secret, std::string_view label) const {
  std::string nonce = services::random_bytes(kNonceBytes);
  std::string text(secret.size(), '\0');
  std::string tag(kTagBytes, '\0');
  Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  bool sealed = EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), bytes_of(std::string_view(bytes_)),
                                    bytes_of(std::string_view(nonce)), nullptr) == 1 &&
                EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(label), size_of(label)) == 1 &&
                EVP_EncryptUpdate(context.get(), bytes_of(text), &length, bytes_of(secret), size_of(secret)) == 1 &&
                EVP_EncryptFinal_ex(context.get(), bytes_of(text) + length, &length) == 1 &&
                EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes), tag.data()) == 1;
  LG_CHECK(sealed, "OpenSSL has AES-256-GCM");
  return services::base64url_encode(nonce + text + tag);
}

std::optional<std::string> MasterKey::open(std::string_view sealed, std::string_view label) const {
  auto bytes = services::base64url_decode(sealed);
  if (!bytes || bytes->size() < kNonceBytes + kTagBytes) return std::nullopt;
  std::string_view nonce = std::string_view(*bytes).substr(0, kNonceBytes);
  std::string_view text = std::string_view(*bytes).substr(kNonceBytes, bytes->size() - kNonceBytes - kTagBytes);
  std::string tag = bytes->substr(bytes->size() - kTagBytes);
  std::string secret(text.size(), '\0');
  Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  bool opened =
      EVP_DecryptInit_ex2(context.get(), EVP_aes_256_gcm(), bytes_of(std::string_view(bytes_)), bytes_of(nonce),
                          nullptr) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(label), size_of(label)) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes_of(secret), &length, bytes_of(text), size_of(text)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagBytes), tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes_of(secret) + length, &length) == 1;
  if (!opened) return std::nullopt;
  return secret;
}

}  // namespace lotagate::users
