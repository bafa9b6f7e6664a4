// base64url a second time, for tests and fuzzers.
#pragma once

#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace lotagate::jose {

// Through OpenSSL's base64 (RFC 4648 4): the alphabet's last two characters and the padding are exchanged.
inline std::string slow_encode(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  out.erase(std::find(out.begin(), out.end(), '='), out.end());
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

// The bytes whose encoding is exactly `text`.
inline std::optional<std::string> slow_decode(std::string_view text) {
  std::string base64(text);
  std::replace(base64.begin(), base64.end(), '-', '+');
  std::replace(base64.begin(), base64.end(), '_', '/');
  const std::size_t padding = (4 - base64.size() % 4) % 4;
  base64.append(padding, '=');
  std::string out(base64.size() / 4 * 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(base64.data()), static_cast<int>(base64.size()));
  if (size < 0 || padding == 3) return std::nullopt;
  out.resize(static_cast<std::size_t>(size) - padding);
  if (slow_encode(out) != text) return std::nullopt;
  return out;
}

}  // namespace lotagate::jose
