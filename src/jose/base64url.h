// base64url as JOSE uses it (RFC 7515 2, RFC 4648 5): one spelling per value, everything else is refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lotagate::jose {

// The decoded bytes; nothing for padding, whitespace, a character outside the URL-safe alphabet, an impossible
// length, or unused bits that are not zero (two texts for one value would be two tokens for one signature).
std::optional<std::string> base64url_decode(std::string_view text);

// Without padding.
std::string base64url_encode(std::string_view bytes);

}  // namespace lotagate::jose
