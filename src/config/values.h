// Checks of single values: URLs, hosts, route paths, protocol tokens. Pure functions; an error is the message for the
// operator.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/units.h"

namespace lotagate::config {

// http:// or https://, a host, an optional port, a path with an optional query. Refused: credentials, a fragment,
// characters that RFC 3986 does not allow.
Parsed<Url> parse_url(std::string_view text);

// The URL of a service: http://host[:port] and nothing else.
Parsed<Url> parse_endpoint(std::string_view text);

// redis://[user[:password]@]host[:port][/database]; user and password percent-decoded.
struct RedisUrl {
  LimitStore::Server server;
  std::string user;
  std::string password;
  std::optional<std::uint32_t> database;
};

// No error shows any of the text: a password may be in it, wherever the mistake has put it.
Parsed<RedisUrl> parse_redis_url(std::string_view text);

// A host name (letters, digits, '-', '_', dots between labels) or an IPv4 address, in lower case.
Parsed<std::string> parse_host(std::string_view text);

// The canonical form of a route's path, as requests' paths are compared with it: begins with '/', no trailing '/' but
// for "/", no empty or dot segments, octets that a path may hold plain are (RFC 3986 3.3), other percent-encodings in
// upper case. An error for what has no such form or would never match: a query, parameters, encoded '/' and '\', what
// is encoded twice, wildcards.
Parsed<std::string> canonical_route_path(std::string_view text);

// A token of RFC 9110 5.6.2.
bool is_token(std::string_view text);

// Only printable ASCII (0x20 to 0x7E), fit for a header field.
bool is_printable(std::string_view text);

}  // namespace lotagate::config
