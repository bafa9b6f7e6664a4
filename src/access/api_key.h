// The text of an API key, as clients present it, and the digest that stands for it everywhere else.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace lotagate::access {

inline constexpr std::size_t kMinApiKeyBytes = 20;  // shorter ones could be guessed, and are not worth a look-up
inline constexpr std::size_t kMaxApiKeyBytes = 256;

// 20 to 256 visible ASCII characters. Nothing more is asked of the form, so that a service may make keys of its own.
bool valid_api_key(std::string_view text);

// Lower-case hexadecimal SHA-256 of the whole text: what the directory keeps and the User Management Service is asked
// about. The text itself is neither stored nor sent.
class ApiKeyDigest {
 public:
  explicit ApiKeyDigest(std::string_view key_text);
  std::string_view text() const { return {hex_.data(), hex_.size()}; }

 private:
  std::array<char, 64> hex_;
};

// 64 lower-case hexadecimal digits.
bool valid_api_key_digest(std::string_view text);

}  // namespace lotagate::access
