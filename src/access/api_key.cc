#include "access/api_key.h"

#include <openssl/sha.h>

#include <algorithm>

#include "access/identity_text.h"
#include "base/check.h"

namespace lotagate::access {

bool valid_api_key(std::string_view text) {
  return text.size() >= kMinApiKeyBytes && text.size() <= kMaxApiKeyBytes && is_visible_ascii(text);
}

ApiKeyDigest::ApiKeyDigest(std::string_view key_text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  static_assert(digest.size() * 2 == 64);
  auto* done = SHA256(reinterpret_cast<const unsigned char*>(key_text.data()), key_text.size(), digest.data());
  LG_CHECK(done != nullptr, "SHA-256 failed");
  for (std::size_t i = 0; i < digest.size(); ++i) {
    hex_[2 * i] = kHex[digest[i] >> 4];
    hex_[2 * i + 1] = kHex[digest[i] & 15];
  }
}

bool valid_api_key_digest(std::string_view text) {
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 64 && std::all_of(text.begin(), text.end(), is_hex);
}

}  // namespace lotagate::access
