#include "config/values.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "config/text_check.h"
#include "route/route_table.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 2.3.4 without the final dot
constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::string_view kHoldsParameters = "holds path parameters; a route matches with any parameters";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'); }
// RFC 3986 2.3
bool is_unreserved(char c) { return is_alphanumeric(c) || std::string_view("-._~").contains(c); }
// RFC 3986 3.3, without the percent sign
bool is_path_character(char c) { return is_unreserved(c) || std::string_view("!$&'()*+,;=:@").contains(c); }

bool is_label(std::string_view label) {
  auto fits = [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, fits);
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The octet of a percent-encoding at the start of `text`, or -1.
int encoded_octet(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  int high = hex_value(text[1]);
  int low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int octet = text[i] == '%' ? encoded_octet(text.substr(i)) : static_cast<unsigned char>(text[i]);
    if (octet < 0) return std::nullopt;
    if (text[i] == '%') i += 2;
    out += static_cast<char>(octet);
  }
  return out;
}

std::unexpected<std::string> bad(std::string_view text, std::string_view why) {
  return std::unexpected(fmt::format("`{}` {}", shown(text), why));
}

// Splits "host:port" or "[v6]:port" into `url`; the error is why it is none.
Parsed<void> parse_authority(std::string_view authority, Url& url) {
  if (authority.contains('@')) return std::unexpected("holds credentials; name a file for secrets instead");
  std::string_view host = authority;
  std::string_view port;
  bool has_port = false;
  auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
    has_port = true;
  }
  if (has_port) {
    auto number = parse_decimal(port);
    if (!number || port.size() > 5 || *number < 1 || *number > 65535) {
      return std::unexpected("has a port that is not a number from 1 to 65535");
    }
    url.port = static_cast<std::uint16_t>(*number);
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    auto ip = parse_ip(host.substr(1, host.size() - 2));
    if (!ip || ip->is_v4()) return std::unexpected("has brackets around what is not an IPv6 address");
    url.host = to_string(*ip);
    return {};
  }
  auto name = parse_host(host);
  if (!name) return std::unexpected("has no valid host: " + name.error());
  url.host = *std::move(name);
  return {};
}

// One more decoding would change it.
bool is_encoded_twice(std::string_view canonical) {
  for (auto at = canonical.find("%25"); at != canonical.npos; at = canonical.find("%25", at + 3)) {
    if (at + 4 < canonical.size() && hex_value(canonical[at + 3]) >= 0 && hex_value(canonical[at + 4]) >= 0)
      return true;
  }
  return false;
}

// Appends one segment with its percent-encodings in canonical form: what a path may hold plain is plain, so that no two
// routes stand for one path.
Parsed<void> append_canonical(std::string_view segment, std::string& out) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (std::size_t i = 0; i < segment.size(); ++i) {
    char c = segment[i];
    if (c != '%') {
      if (!is_path_character(c))
        return std::unexpected(fmt::format("holds `{}`, which is not allowed in a path", shown({&c, 1})));
      out += c;
      continue;
    }
    int octet = encoded_octet(segment.substr(i));
    if (octet < 0) return std::unexpected("has a `%` that two hexadecimal digits do not follow");
    if (octet == '/' || octet == '\\' || octet < 0x20 || octet == 0x7F) {
      return std::unexpected("has an encoded slash, backslash or control character; such requests are refused");
    }
    if (octet == ';') return std::unexpected(std::string(kHoldsParameters));
    if (is_path_character(static_cast<char>(octet))) {
      out += static_cast<char>(octet);
    } else {
      out += {'%', kHex[octet >> 4], kHex[octet & 15]};
    }
    i += 2;
  }
  if (is_encoded_twice(out)) return std::unexpected("is encoded twice; such requests are refused");
  return {};
}

}  // namespace

Parsed<std::string> parse_host(std::string_view text) {
  if (text.empty()) return std::unexpected("the host is missing");
  std::string host;
  for (char c : text) host += ascii_lower(c);
  if (auto ip = parse_ip(host); ip && ip->is_v4()) return host;
  bool is_valid = host.size() <= kMaxHostBytes;
  std::string_view rest = host;
  std::string_view label;
  while (is_valid) {
    auto dot = rest.find('.');
    label = rest.substr(0, dot);
    is_valid = is_label(label);
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (!is_valid) return bad(text, "is not a host name or an IPv4 address");
  // No top-level domain is a number: what ends in one is a mistyped address, which resolvers read in surprising ways.
  if (std::ranges::all_of(label, is_digit) || label.starts_with("0x")) return bad(text, "is not a valid IPv4 address");
  return host;
}

Parsed<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return bad(text, fmt::format("is longer than {} bytes", kMaxUrlBytes));
  Url url;
  url.text = text;
  auto separator = text.find("://");
  url.scheme = text.substr(0, separator == std::string_view::npos ? 0 : separator);
  if (url.scheme != "http" && url.scheme != "https")
    return bad(text, "is not a URL that begins with http:// or https://");
  url.port = url.scheme == "https" ? 443 : 80;

  std::string_view rest = text.substr(separator + 3);
  std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view path = rest.substr(authority_end);
  if (auto parsed = parse_authority(rest.substr(0, authority_end), url); !parsed) return bad(text, parsed.error());
  if (path.contains('#')) return bad(text, "has a fragment, which is never sent");
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    bool fits = c == '%' ? encoded_octet(path.substr(i)) >= 0 : is_path_character(c) || c == '/' || c == '?';
    if (!fits) return bad(text, fmt::format("holds `{}`, which is not allowed in a URL", shown({&c, 1})));
  }
  url.path = path.starts_with('?') ? "/" + std::string(path) : std::string(path);
  return url;
}

Parsed<Url> parse_endpoint(std::string_view text) {
  auto url = parse_url(text);
  if (!url) return url;
  if (url->scheme == "https") return bad(text, "uses https, which is not supported towards services yet; use http://");
  if (!url->path.empty()) return bad(text, "has a path; an endpoint is `http://host:port`");
  return url;
}

Parsed<RedisUrl> parse_redis_url(std::string_view text) {
  auto bad_url = [](std::string_view why) { return std::unexpected(std::string(why)); };
  if (text.starts_with("rediss://")) return bad_url("TLS to Redis is not supported yet; use redis:// on a private net");
  constexpr std::string_view kScheme = "redis://";
  if (!text.starts_with(kScheme) || text.size() > kMaxUrlBytes) {
    return bad_url("expected a URL such as `redis://127.0.0.1:6379/0`");
  }
  text.remove_prefix(kScheme.size());
  std::string_view authority = text.substr(0, text.find('/'));
  std::string_view database = text.substr(std::min(authority.size() + 1, text.size()));
  RedisUrl url;
  auto at = authority.rfind('@');
  if (database.contains('@') || authority.substr(0, at).contains('@')) {
    return bad_url("the URL holds `@` or `/` in its user or password; percent-encode them (%40, %2F)");
  }
  if (at != authority.npos) {
    std::string_view user = authority.substr(0, std::min(at, authority.find(':')));
    auto name = percent_decoded(user);
    auto password = percent_decoded(authority.substr(0, at).substr(std::min(user.size() + 1, at)));
    if (!name || !password) return bad_url("the URL's user or password has a `%` without two hexadecimal digits");
    if (password->empty()) return bad_url("the URL has a user without a password");
    url.user = *std::move(name);
    url.password = *std::move(password);
    authority.remove_prefix(at + 1);
  }
  Url place;
  place.port = url.server.port;
  if (!parse_authority(authority, place)) {
    return bad_url("the URL has no valid host and port; write it as `redis://127.0.0.1:6379/0`");
  }
  url.server = {.host = std::move(place.host), .port = place.port};
  if (database.empty()) return url;
  constexpr std::uint64_t kMostDatabase = 9999;
  auto number = parse_decimal(database);
  if (!number || *number > kMostDatabase) return bad_url("the URL's database is not a number from 0 to 9999");
  url.database = static_cast<std::uint32_t>(*number);
  return url;
}

Parsed<std::string> canonical_route_path(std::string_view text) {
  if (!text.starts_with('/')) return bad(text, "does not begin with `/`");
  if (text.size() > route::kMaxPathBytes)
    return bad(text, fmt::format("is longer than {} bytes", route::kMaxPathBytes));
  if (text.find_first_of("?#") != text.npos)
    return bad(text, "holds a query or a fragment; routes match the path alone");
  if (text.contains(';')) return bad(text, kHoldsParameters);
  std::string canonical;
  for (std::string_view rest = text.substr(1); !rest.empty();) {
    std::string_view encoded = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(encoded.size() + 1, rest.size()));
    if (encoded == route::kSubjectSegment) {
      if (canonical.contains(route::kSubjectSegment)) return bad(text, "holds `{subject}` twice");
      canonical += '/';
      canonical += encoded;
      continue;
    }
    if (encoded.starts_with('{') && encoded.ends_with('}')) {
      return bad(text, "holds a placeholder other than `{subject}`; a route takes everything below its path");
    }
    std::string segment;
    if (auto appended = append_canonical(encoded, segment); !appended) return bad(text, appended.error());
    if (segment == "*" || segment == "**")
      return bad(text, "holds a wildcard; a route takes everything below its path");
    if (segment == ".." && canonical.empty()) return bad(text, "leads above the root");
    if (segment == "..") canonical.erase(canonical.rfind('/'));
    if (segment.empty() || segment == "." || segment == "..") continue;
    canonical += '/';
    canonical += segment;
  }
  return canonical.empty() ? "/" : canonical;
}

bool is_token(std::string_view text) {
  auto fits = [](char c) { return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c); };
  return !text.empty() && std::ranges::all_of(text, fits);
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace lotagate::config
