// Random identifiers, and comparing what must not leak by time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lotagate::services {

// Bytes from OpenSSL's generator; aborts if it has none to give.
std::string random_bytes(std::size_t count);

// Random bytes as base64url text: passwords, service tokens, token ids.
std::string random_token(std::size_t bytes);

// `prefix` and 96 random bits in hexadecimal: "usr_5f0c...". Not a secret, but nobody can guess the next one.
std::string random_id(std::string_view prefix);

// SHA-256 in lower-case hexadecimal: what is kept of a secret that was handed out.
std::string sha256_hex(std::string_view text);

// Takes time that depends on neither content nor length of the secrets: both are hashed first.
bool secrets_equal(std::string_view a, std::string_view b);

}  // namespace lotagate::services
