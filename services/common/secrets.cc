#include "common/secrets.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>

#include "base/check.h"
#include "common/base64url.h"

namespace lotagate::services {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest sha256(std::string_view bytes) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  int given = RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count));
  LG_CHECK(given == 1, "OpenSSL gives no random bytes");
  return bytes;
}

std::string random_token(std::size_t bytes) { return base64url_encode(random_bytes(bytes)); }

std::string random_id(std::string_view prefix) {
  constexpr std::size_t kIdBytes = 12;
  std::string id(prefix);
  append_hex(id, random_bytes(kIdBytes));
  return id;
}

std::string sha256_hex(std::string_view text) {
  Digest digest = sha256(text);
  std::string hex;
  append_hex(hex, std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
  return hex;
}

bool secrets_equal(std::string_view a, std::string_view b) {
  Digest left = sha256(a);
  Digest right = sha256(b);
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace lotagate::services
