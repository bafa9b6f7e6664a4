// base64url without padding (RFC 4648 section 5), the text form of everything binary in JWT and JWKS.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lotagate::services {

std::string base64url_encode(std::string_view bytes);

// Nothing for padding, another alphabet, an impossible length or non-zero unused bits.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace lotagate::services
