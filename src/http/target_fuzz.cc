// Any text as path, authority and request target ("TARGET\nHOST"): what is accepted has one canonical form, which a
// second computation from the rules confirms, and no server behind the gateway reads as another path.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "http/target.h"
#include "http/test_rfc_path.h"

namespace lotagate::http {
namespace {

// L10: visible ASCII without what RFC 3986 does not know.
bool is_target_byte(char c) {
  return c > ' ' && c < '\x7f' && std::string_view("\"#<>\\^`{|}").find(c) == std::string_view::npos;
}

void check_escapes(std::string_view path) {
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    int octet = rfc::escaped_octet(path, at);
    LG_CHECK(octet >= 0x20 && octet != 0x7F && octet != '/' && octet != '\\', "broken or forbidden escape");
    LG_CHECK(!rfc::is_unreserved(octet), "escaped unreserved octet");
    LG_CHECK(!std::islower(path[at + 1]) && !std::islower(path[at + 2]), "lower-case hex digit");
  }
  LG_CHECK(!rfc::changes_when_decoded_twice(path), "one more decoding changes the path");
  LG_CHECK(!rfc::has_overlong_utf8(path), "overlong UTF-8");
}

// `path` is canonical and comes from bytes that a target may have.
void check_canonical(std::string_view path) {
  LG_CHECK(path.starts_with('/'), "no absolute path");
  check_escapes(path);
  LG_CHECK(rfc::is_read_alike(path), "a server may read another path");
  Arena arena(256);
  auto again = canonical_path(path, arena);
  LG_CHECK(again && *again == path, "canonical_path is not idempotent");
}

void check_path(std::string_view text) {
  Arena arena(256);
  auto path = canonical_path(text, arena);
  auto expected = rfc::canonical_path(text);
  LG_CHECK(path.has_value() == expected.has_value(), "refused by one");
  if (!path) return;
  LG_CHECK(*path == *expected, "another canonical path");
  LG_CHECK(path->size() <= text.size(), "a canonical path is never longer");
  if (std::all_of(text.begin(), text.end(), is_target_byte)) check_canonical(*path);
}

// A host name or IPv4 address; what remains are IPv6 literals.
std::optional<std::string> plain_authority(std::string_view text) {
  std::string host(text.substr(0, text.find(':')));
  std::string port(text.size() > host.size() ? text.substr(host.size() + 1) : "");
  auto is_host_byte = [](char c) { return rfc::is_unreserved(static_cast<unsigned char>(c)); };
  if (host.empty() || host.front() == '.' || host.find("..") != std::string::npos) return std::nullopt;
  if (!rfc::holds(host, is_host_byte) || !rfc::holds(port, rfc::is_digit)) return std::nullopt;
  bool is_high = port.size() > 5 || (port.size() == 5 && port > "65535");
  if (!port.empty() && (port.front() == '0' || is_high)) return std::nullopt;
  if (host.size() > 1 && host.back() == '.') host.pop_back();
  for (char& c : host) c = ascii_lower(c);
  return port.empty() || port == "80" ? host : host + ":" + port;
}

void check_authority(std::string_view text) {
  Arena arena(256);
  auto target = canonical_authority(text, arena);
  if (!text.starts_with('[')) {
    auto expected = plain_authority(text);
    LG_CHECK(target.has_value() == expected.has_value(), "an authority refused by one");
    LG_CHECK(!target || target->authority == *expected, "another authority");
  }
  if (!target) return;
  std::string_view authority = target->authority;
  LG_CHECK(!target->host.empty() && authority.starts_with(target->host), "host is not the start of the authority");
  LG_CHECK(authority.find_first_of("@/?#\\%, \t\r\n") == std::string_view::npos, "forbidden byte in the authority");
  LG_CHECK(iequals(target->host, text.substr(0, target->host.size())), "another host");
  for (char c : authority) LG_CHECK(ascii_lower(c) == c, "upper-case authority");
  auto again = canonical_authority(authority, arena);
  LG_CHECK(again && again->authority == authority && again->host == target->host, "not idempotent");
}

// What resolve_target should make of an origin form with a Host that is accepted; empty if it is to be refused.
std::string expected_target(std::string_view target, std::string_view authority) {
  std::string_view raw_path = target.substr(0, target.find('?'));
  auto path = rfc::canonical_path(raw_path);
  bool sound = path && rfc::holds(target, is_target_byte);
  return sound ? std::string(authority) + *path + std::string(target.substr(raw_path.size())) : "";
}

void check_target(std::string_view text) {
  std::size_t newline = text.find('\n');
  if (newline == std::string_view::npos || newline == 0) return;
  RequestHead head{.method = "GET", .target = text.substr(0, newline), .minor = 1, .fields = {}};
  head.fields.add({.name = "Host", .value = text.substr(newline + 1), .id = FieldName::host});
  Arena arena;
  auto target = resolve_target(head, arena);
  auto host = canonical_authority(text.substr(newline + 1), arena);
  LG_CHECK(!target || host, "an unsound Host passes");
  std::string seen = target ? std::string(target->authority).append(target->path).append(target->query) : "";
  if (head.target.front() == '/' && host) {
    LG_CHECK(seen == expected_target(head.target, host->authority), "another target");
  }
  if (!target) return;
  LG_CHECK(head.target.front() == '/' || head.target.find("://") <= 5, "neither origin form nor absolute form");
  check_canonical(target->path);
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
