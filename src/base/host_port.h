// A host and a port as one text, the way they stand in a URL and in a Host field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lotagate {

// "example.com:80", "127.0.0.1:80", "[::1]:80". `host` is a name or an address, without brackets (RFC 3986 3.2.2).
inline std::string host_and_port(std::string_view host, std::uint16_t port) {
  std::string out;
  bool needs_brackets = host.find(':') != std::string_view::npos;
  if (needs_brackets) out += '[';
  out += host;
  if (needs_brackets) out += ']';
  out += ':';
  out += std::to_string(port);
  return out;
}

}  // namespace lotagate
