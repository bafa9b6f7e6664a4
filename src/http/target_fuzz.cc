// Any text as path, authority and request target ("TARGET\nHOST"): what is accepted has one canonical form.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "http/target.h"

namespace lotagate::http {
namespace {

bool is_lower_hex(char c) { return c >= 'a' && c <= 'f'; }

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || is_lower_hex(c); }

int hex_value(char c) { return c <= '9' ? c - '0' : ascii_lower(c) - 'a' + 10; }

bool is_unreserved(int octet) {
  char c = ascii_lower(static_cast<char>(octet));
  return octet < 0x80 &&
         ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~');
}

void check_escapes(std::string_view path) {
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    LG_CHECK(at + 2 < path.size() && is_hex(path[at + 1]) && is_hex(path[at + 2]), "broken escape");
    LG_CHECK(!is_lower_hex(path[at + 1]) && !is_lower_hex(path[at + 2]), "lower-case hex digit");
    int octet = hex_value(path[at + 1]) * 16 + hex_value(path[at + 2]);
    LG_CHECK(octet >= 0x20 && octet != 0x7F && octet != '/' && octet != '\\', "forbidden octet");
    LG_CHECK(!is_unreserved(octet), "escaped unreserved octet");
    bool decodes_again = octet == '%' && at + 4 < path.size() && is_hex(path[at + 3]) && is_hex(path[at + 4]);
    LG_CHECK(!decodes_again, "one more decoding changes the path");
  }
}

void check_segments(std::string_view path) {
  LG_CHECK(path.starts_with('/'), "no absolute path");
  LG_CHECK(path.find("//") == std::string_view::npos, "empty segment");
  std::size_t at = 0;
  while (at < path.size()) {
    std::size_t end = std::min(path.find('/', at + 1), path.size());
    std::string_view segment = path.substr(at + 1, end - at - 1);
    std::string_view bare = segment.substr(0, segment.find(';'));
    LG_CHECK(bare != "." && bare != "..", "dot segment");
    at = end;
  }
}

void check_path(std::string_view text) {
  Arena arena(256);
  auto path = canonical_path(text, arena);
  if (!path) return;
  LG_CHECK(path->size() <= text.size(), "a canonical path is never longer");
  check_segments(*path);
  check_escapes(*path);
  auto again = canonical_path(*path, arena);
  LG_CHECK(again && *again == *path, "canonical_path is not idempotent");
}

void check_authority(std::string_view text) {
  Arena arena(256);
  auto target = canonical_authority(text, arena);
  if (!target) return;
  std::string_view authority = target->authority;
  LG_CHECK(!target->host.empty() && authority.starts_with(target->host), "host is not the start of the authority");
  LG_CHECK(authority.find_first_of("@/?#\\%, \t\r\n") == std::string_view::npos, "forbidden byte in the authority");
  LG_CHECK(iequals(target->host, text.substr(0, target->host.size())), "another host");
  for (char c : authority) LG_CHECK(ascii_lower(c) == c, "upper-case authority");
  auto again = canonical_authority(authority, arena);
  LG_CHECK(again && again->authority == authority && again->host == target->host, "not idempotent");
}

void check_target(std::string_view text) {
  std::size_t newline = text.find('\n');
  if (newline == std::string_view::npos || newline == 0) return;
  RequestHead head{.method = "GET", .target = text.substr(0, newline), .minor = 1, .fields = {}};
  head.fields.add({.name = "Host", .value = text.substr(newline + 1), .id = FieldName::host});
  Arena arena(256);
  auto target = resolve_target(head, arena);
  if (!target) return;
  check_segments(target->path);
  check_escapes(target->path);
  LG_CHECK(target->query.empty() || target->query.starts_with('?'), "query without its mark");
  LG_CHECK(head.target.ends_with(target->query), "the query is not byte-exact");
  LG_CHECK(!target->authority.empty(), "no authority");
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  lotagate::http::check_path(text);
  lotagate::http::check_authority(text);
  lotagate::http::check_target(text);
  return 0;
}
