// Field names the gateway gives a meaning to, and what becomes of each when a message is forwarded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lotagate::http {

enum class FieldName : std::uint8_t {
  other,
  accept,
  authorization,
  connection,
  content_encoding,
  content_length,
  content_type,
  cookie,
  date,
  etag,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  last_modified,
  location,
  max_forwards,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  retry_after,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  via,
  www_authenticate,
  x_api_key,
  x_request_id,
  gateway_owned,  // identity and forwarding names that only the gateway may set (threats.md section 5)
};

inline constexpr std::size_t kFieldNameCount = static_cast<std::size_t>(FieldName::gateway_owned) + 1;

struct Field {
  std::string_view name;   // as received
  std::string_view value;  // without surrounding white space
  FieldName id = FieldName::other;
};

// Case-insensitive. A name that would become a known one when `_` and `.` are read as `-` is an alias: applications
// behind the gateway may fold them (CGI does), so an alias is classified as gateway_owned and never forwarded.
FieldName classify_field(std::string_view name);
// The same in one pass with the check that `name` is a token; nothing if it is none. Most names are letters and '-':
// for those a few operations on eight bytes at a time decide everything. `name` holds no CR, which would pass for '-':
// lines have been cut there before.
std::optional<FieldName> classify_token(std::string_view name);

// Fields that belong to one connection (RFC 9110 7.6.1) or to the framing, which is always written anew.
constexpr bool is_hop_by_hop(FieldName id) {
  switch (id) {
    case FieldName::connection:
    case FieldName::keep_alive:
    case FieldName::proxy_connection:
    case FieldName::te:
    case FieldName::trailer:
    case FieldName::transfer_encoding:
    case FieldName::upgrade:
    case FieldName::http2_settings:
    case FieldName::proxy_authenticate:
    case FieldName::proxy_authorization:
    case FieldName::content_length:
    case FieldName::expect: return true;
    default: return false;
  }
}

// Names that a client must not nominate in Connection to have them removed on the way (P01).
bool may_be_nominated(std::string_view name);

// RFC 9110 5.6.2: how many bytes at the start of `text` a token may have.
std::size_t leading_token_bytes(std::string_view text);
bool is_token(std::string_view text);

// Field value bytes as RFC 9110 5.5 has them: VCHAR, obs-text, SP, HTAB.
bool is_field_value(std::string_view text);

}  // namespace lotagate::http
