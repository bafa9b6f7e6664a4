// Request methods by what a proxy must know of them (RFC 9110 9).
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace lotagate::http {

// Case-sensitive. RFC 9110, PATCH and WebDAV; not CONNECT and TRACE, which a gateway has no use for: one opens a tunnel
// through it, the other shows fields it added.
constexpr bool is_supported_method(std::string_view method) {
  constexpr std::array<std::string_view, 25> kSupported{
      "GET",      "POST",      "PUT",    "DELETE", "PATCH",  "HEAD",   "OPTIONS", "ACL",    "BIND",
      "CHECKOUT", "COPY",      "LINK",   "LOCK",   "MERGE",  "MOVE",   "MKCOL",   "REPORT", "MKACTIVITY",
      "PROPFIND", "PROPPATCH", "REBIND", "SEARCH", "UNBIND", "UNLINK", "UNLOCK"};
  if (method == "GET") return true;  // most are; the comparison with a constant is two instructions
  return std::find(kSupported.begin(), kSupported.end(), method) != kSupported.end();
}

// May be sent again when no byte of an answer came (RFC 9110 9.2.2).
constexpr bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace lotagate::http
