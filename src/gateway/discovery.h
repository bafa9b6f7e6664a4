// An issuer's metadata document (OpenID Connect Discovery 1.0, 3 and 4): all that is taken from it is where the keys
// are.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "config/config.h"

namespace lotagate {

// Real ones have 2 to 12 KiB.
inline constexpr std::size_t kMaxDiscoveryBytes = 64UZ * 1024;

// The `jwks_uri` of the document that came from `source`, or why it is refused: not one strict JSON object, an `issuer`
// that is not exactly `issuer` (one issuer posing as another: RFC 8414 3.3), or a `jwks_uri` that is no http or https
// URL without credentials. It is https if `source` is: what was fetched with a verified certificate must not lead to
// keys that anyone on the way can replace. Its host may be another one; several large providers do that.
std::expected<config::Url, std::string> parse_discovery(std::string_view json, std::string_view issuer,
                                                        const config::Url& source);

}  // namespace lotagate
