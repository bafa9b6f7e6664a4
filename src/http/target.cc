#include "http/target.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/address.h"
#include "base/text.h"

namespace lotagate::http {
namespace {

constexpr std::string_view kEncodedSemicolon = "%3B";

std::unexpected<Error> bad(std::string_view reason) { return fail(ErrorCode::bad_request, Origin::downstream, reason); }

std::unexpected<Error> ambiguous(std::string_view reason) {
  return fail(ErrorCode::ambiguous_path, Origin::downstream, reason);
}

// L10: what may stand in a path or query as it is. '%' is looked at separately.
constexpr std::array<bool, 256> kTargetBytes = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0x21; c < 0x7F; ++c) table[c] = true;
  for (char c : {'"', '#', '<', '>', '\\', '^', '`', '{', '|', '}'}) table[static_cast<unsigned char>(c)] = false;
  return table;
}();

bool are_target_bytes(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return kTargetBytes[static_cast<unsigned char>(c)]; });
}

constexpr bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

constexpr bool is_unreserved(char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The octet of a percent triplet at `at`, or -1.
int triplet(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  int high = hex_value(text[at + 1]);
  int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// N06: lead bytes that no valid UTF-8 has, and overlong forms, hide other characters from those who decode carelessly.
bool is_overlong(int octet, int following) {
  if (octet == 0xC0 || octet == 0xC1 || octet >= 0xF5) return true;
  if (octet == 0xE0 && following >= 0x80 && following < 0xA0) return true;
  return octet == 0xF0 && following >= 0x80 && following < 0x90;
}

// Appends the canonical form of the triplet at path[at] to `out`. Errors: what must not be in a path at all.
Result<void> append_triplet(std::string_view path, std::size_t at, char*& out) {
  int octet = triplet(path, at);
  if (octet < 0) return bad("percent-encoding");
  if (octet < 0x20 || octet == 0x7F) return bad("encoded control character");
  if (octet == '/' || octet == '\\') return ambiguous("encoded slash");
  if (is_overlong(octet, triplet(path, at + 3))) return bad("overlong UTF-8");
  if (is_unreserved(static_cast<char>(octet))) {
    *out++ = static_cast<char>(octet);
    return {};
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  *out++ = '%';
  *out++ = kHex[octet >> 4];
  *out++ = kHex[octet & 15];
  return {};
}

// N03: one more decoding would change the path. Seen after the first one, so that `%25%32%65` hides nothing.
bool is_encoded_twice(std::string_view decoded) {
  for (auto at = decoded.find("%25"); at != std::string_view::npos; at = decoded.find("%25", at + 3)) {
    if (at + 4 < decoded.size() && hex_value(decoded[at + 3]) >= 0 && hex_value(decoded[at + 4]) >= 0) return true;
  }
  return false;
}

Result<std::string_view> decode_unreserved(std::string_view path, Arena& arena) {
  char* begin = reinterpret_cast<char*>(arena.allocate(path.size()));
  char* out = begin;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] != '%') {
      *out++ = path[at];
      continue;
    }
    TRY_VOID(append_triplet(path, at, out));
    at += 2;
  }
  std::string_view decoded(begin, static_cast<std::size_t>(out - begin));
  if (is_encoded_twice(decoded)) return ambiguous("encoded twice");
  return decoded;
}

enum class SegmentKind : std::uint8_t { plain, current, parent, disguised };

SegmentKind segment_kind(std::string_view segment) {
  if (segment == ".") return SegmentKind::current;
  if (segment == "..") return SegmentKind::parent;
  // N04: servers that strip parameters see a dot segment, or nothing at all.
  auto bare = without_parameters(segment);
  if (bare.size() != segment.size() && (bare == "." || bare == ".." || bare.empty())) return SegmentKind::disguised;
  return SegmentKind::plain;
}

// RFC 3986 5.2.4 on a path that begins with '/'. Empty segments inside are refused (N05).
Result<std::string_view> remove_dot_segments(std::string_view path, Arena& arena) {
  char* begin = reinterpret_cast<char*>(arena.allocate(path.size() + 1));
  char* out = begin;
  std::size_t at = 0;
  while (at < path.size()) {
    std::size_t next = path.find('/', at + 1);
    bool last = next == std::string_view::npos;
    auto segment = path.substr(at + 1, (last ? path.size() : next) - at - 1);
    if (segment.empty() && !last) return ambiguous("empty path segment");
    switch (segment_kind(segment)) {
      case SegmentKind::disguised: return ambiguous("dot segment with parameters");
      case SegmentKind::parent:
        if (out == begin) return bad("path climbs above the root");
        while (*--out != '/') {
        }
        if (last) *out++ = '/';
        break;
      case SegmentKind::current:
        if (last) *out++ = '/';
        break;
      case SegmentKind::plain:
        *out++ = '/';
        if (!segment.empty()) std::memcpy(out, segment.data(), segment.size());
        out += segment.size();
        break;
    }
    at = last ? path.size() : next;
  }
  if (out == begin) *out++ = '/';
  return std::string_view(begin, static_cast<std::size_t>(out - begin));
}

// Nothing that canonicalisation would touch: no '%', ';' or empty segment, no segment that begins with a dot.
bool is_plainly_canonical(std::string_view path) {
  char before = 0;
  for (char c : path) {
    if (c == '%' || c == ';') return false;
    if (before == '/' && (c == '/' || c == '.')) return false;
    before = c;
  }
  return true;
}

// Letters of a canonical name. A table, because every request has a Host.
constexpr std::array<bool, 256> kLowerHostBytes = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    table[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
  }
  return table;
}();

// An authority that is its own canonical form: a lower-case name of non-empty labels, alone or with a port that has
// neither a leading zero nor is the default. Nothing for all others, also for bad ones: canonical_authority() judges.
std::optional<Target> plain_authority(std::string_view text) {
  std::size_t at = 0;
  char before = '.';
  for (; at < text.size() && kLowerHostBytes[static_cast<unsigned char>(text[at])]; ++at) {
    if (before == '.' && text[at] == '.') return std::nullopt;
    before = text[at];
  }
  if (before == '.') return std::nullopt;
  Target plain{.path = {}, .query = {}, .authority = text, .host = text.substr(0, at)};
  if (at == text.size()) return plain;
  auto port = text.substr(at + 1);
  auto number = parse_decimal(port);
  bool usual =
      text[at] == ':' && port.size() <= 5 && number && *number <= 65535 && port.front() != '0' && *number != 80;
  return usual ? std::optional(plain) : std::nullopt;
}

bool is_host_byte(char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

bool is_ipv6_byte(char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; }

struct AuthorityParts {
  std::string_view host;
  std::string_view port;
  bool sound = false;
};

AuthorityParts split_authority(std::string_view text) {
  if (text.starts_with('[')) {
    auto close = text.find(']');
    if (close == std::string_view::npos) return {};
    auto literal = text.substr(1, close - 1);
    auto ip = std::all_of(literal.begin(), literal.end(), is_ipv6_byte) ? parse_ip(literal) : std::nullopt;
    auto rest = text.substr(close + 1);
    if (!ip || ip->is_v4() || (!rest.empty() && rest.front() != ':')) return {};
    return {text.substr(0, close + 1), rest.empty() ? rest : rest.substr(1), true};
  }
  auto colon = text.find(':');
  auto host = text.substr(0, colon);
  bool has_empty_label = host.empty() || host.front() == '.' || host.find("..") != std::string_view::npos;
  bool sound = !has_empty_label && std::all_of(host.begin(), host.end(), is_host_byte);
  return {host, colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1), sound};
}

Result<std::string_view> split_query(std::string_view target, Target& out) {
  auto question = target.find('?');
  if (question != std::string_view::npos) out.query = target.substr(question);
  return target.substr(0, question);
}

// The bytes between "http://" and the path; the rest of an absolute form is an origin form.
Result<void> split_absolute(std::string_view target, std::string_view& authority, std::string_view& origin) {
  auto scheme_end = target.find("://");
  auto scheme = target.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos || (!iequals(scheme, "http") && !iequals(scheme, "https"))) {
    return bad("request target");
  }
  auto rest = target.substr(scheme_end + 3);
  auto end = rest.find_first_of("/?");
  authority = rest.substr(0, end);
  origin = end == std::string_view::npos ? std::string_view("/") : rest.substr(end);
  return {};
}

}  // namespace

std::string_view decode_segment(std::string_view segment, Arena& arena) {
  if (!segment.contains('%')) return segment;
  // Never longer than it was.
  return *decode_segment(segment, std::span(reinterpret_cast<char*>(arena.allocate(segment.size())), segment.size()));
}

std::optional<std::string_view> decode_segment(std::string_view segment, std::span<char> buffer) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (size == buffer.size()) return std::nullopt;
    bool encoded = segment[i] == '%' && i + 2 < segment.size();
    buffer[size++] =
        encoded ? static_cast<char>(hex_value(segment[i + 1]) * 16 + hex_value(segment[i + 2])) : segment[i];
    if (encoded) i += 2;
  }
  return std::string_view(buffer.data(), size);
}

std::string_view without_parameters(std::string_view segment) {
  return segment.substr(0, std::min(segment.find(';'), segment.find(kEncodedSemicolon)));
}

bool has_parameters(std::string_view path) { return path.contains(';') || path.contains(kEncodedSemicolon); }

Result<std::string_view> canonical_path(std::string_view path, Arena& arena) {
  if (!path.starts_with('/')) return bad("path");
  if (is_plainly_canonical(path)) return path;
  TRY(decoded, decode_unreserved(path, arena));
  return remove_dot_segments(decoded, arena);
}

Result<Target> canonical_authority(std::string_view authority, Arena& arena) {
  if (auto plain = plain_authority(authority)) return *plain;
  AuthorityParts parts = split_authority(authority);
  bool has_port = !parts.port.empty();
  auto port = parse_decimal(parts.port);
  // A leading zero would give one port two names.
  bool is_sound_port = !has_port || (port && *port <= 65535 && parts.port.front() != '0');
  if (!parts.sound || !is_sound_port) return bad("Host");
  std::string_view host = parts.host;
  if (host.size() > 1 && host.back() == '.') host.remove_suffix(1);
  std::string_view port_text = has_port && *port != 80 ? parts.port : std::string_view();

  Target out;
  bool lower = std::none_of(host.begin(), host.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  bool as_is = lower && host.size() == parts.host.size() && (port_text.empty() == (authority.size() == host.size()));
  if (as_is) {
    out.authority = authority;
    out.host = authority.substr(0, host.size());
    return out;
  }
  out.authority = port_text.empty() ? arena.concat({host}) : arena.concat({host, ":", port_text});
  char* bytes = const_cast<char*>(out.authority.data());  // freshly copied into the arena
  std::transform(bytes, bytes + host.size(), bytes, ascii_lower);
  out.host = out.authority.substr(0, host.size());
  return out;
}

Result<Target> resolve_target(const RequestHead& head, Arena& arena) {
  if (!are_target_bytes(head.target)) return bad("byte not allowed in a request target");
  const Field* host = head.fields.only(FieldName::host);
  if (head.fields.repeats(FieldName::host) || (host == nullptr && head.minor >= 1)) {
    return bad("Host missing or repeated");
  }
  std::string_view authority = host != nullptr ? host->value : std::string_view();

  std::string_view origin = head.target;
  Target out;
  if (host != nullptr) {
    TRY(host_field, canonical_authority(authority, arena));
    out = host_field;
  }
  if (origin == "*") {
    if (head.method != "OPTIONS") return bad("request target");
    out.path = origin;
    return out;
  }
  if (origin.front() != '/') {  // L12: the target's authority replaces Host
    TRY_VOID(split_absolute(head.target, authority, origin));
    TRY(from_target, canonical_authority(authority, arena));
    out = from_target;
    if (origin.front() == '?') origin = arena.concat({"/", origin});
  }
  TRY(raw_path, split_query(origin, out));
  TRY(path, canonical_path(raw_path, arena));
  out.path = path;
  return out;
}

}  // namespace lotagate::http
