#include "http/field.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace lotagate::http {
namespace {

struct Known {
  std::string_view name;
  FieldName id;
};

constexpr std::array kKnown{
    Known{"accept", FieldName::accept},
    Known{"authorization", FieldName::authorization},
    Known{"connection", FieldName::connection},
    Known{"content-encoding", FieldName::content_encoding},
    Known{"content-length", FieldName::content_length},
    Known{"content-type", FieldName::content_type},
    Known{"cookie", FieldName::cookie},
    Known{"date", FieldName::date},
    Known{"etag", FieldName::etag},
    Known{"expect", FieldName::expect},
    Known{"forwarded", FieldName::forwarded},
    Known{"host", FieldName::host},
    Known{"http2-settings", FieldName::http2_settings},
    Known{"keep-alive", FieldName::keep_alive},
    Known{"last-modified", FieldName::last_modified},
    Known{"location", FieldName::location},
    Known{"max-forwards", FieldName::max_forwards},
    Known{"proxy-authenticate", FieldName::proxy_authenticate},
    Known{"proxy-authorization", FieldName::proxy_authorization},
    Known{"proxy-connection", FieldName::proxy_connection},
    Known{"retry-after", FieldName::retry_after},
    Known{"te", FieldName::te},
    Known{"traceparent", FieldName::traceparent},
    Known{"tracestate", FieldName::tracestate},
    Known{"trailer", FieldName::trailer},
    Known{"transfer-encoding", FieldName::transfer_encoding},
    Known{"upgrade", FieldName::upgrade},
    Known{"via", FieldName::via},
    Known{"www-authenticate", FieldName::www_authenticate},
    Known{"x-request-id", FieldName::x_request_id},
    Known{"x-real-ip", FieldName::gateway_owned},
    Known{"x-original-url", FieldName::gateway_owned},
    Known{"x-rewrite-url", FieldName::gateway_owned},
    Known{"x-http-method-override", FieldName::gateway_owned},
    Known{"x-http-method", FieldName::gateway_owned},
    Known{"x-method-override", FieldName::gateway_owned},
};
constexpr std::size_t kLongestKnown = 22;

constexpr std::array<std::string_view, 4> kOwnedPrefixes{"x-auth-", "x-user-", "x-consumer-", "x-forwarded-"};

// Known names by length: the few candidates of one length are compared in turn.
struct ByLength {
  std::array<std::uint8_t, kLongestKnown + 2> begin{};
  std::array<Known, kKnown.size()> names{};
};

constexpr ByLength sort_by_length() {
  ByLength result;
  std::size_t at = 0;
  for (std::size_t length = 0; length <= kLongestKnown; ++length) {
    result.begin[length] = static_cast<std::uint8_t>(at);
    for (const Known& known : kKnown) {
      if (known.name.size() == length) result.names[at++] = known;
    }
  }
  result.begin[kLongestKnown + 1] = static_cast<std::uint8_t>(at);
  return result;
}
constexpr ByLength kByLength = sort_by_length();
static_assert(kByLength.begin[kLongestKnown + 1] == kKnown.size(), "kLongestKnown is too small");

// `lower` holds lower-case letters, digits and '-' only; `token` is as long. For the bytes of a token, setting bit 5
// lowers letters and makes no other byte equal to one of those, so eight can be compared at once.
bool is_name(std::string_view token, std::string_view lower) {
  constexpr std::uint64_t kCaseBits = 0x2020202020202020;
  std::size_t at = 0;
  for (; at + 8 <= token.size(); at += 8) {
    std::uint64_t a;
    std::uint64_t b;
    std::memcpy(&a, token.data() + at, 8);
    std::memcpy(&b, lower.data() + at, 8);
    if ((a | kCaseBits) != b) return false;
  }
  for (; at < token.size(); ++at) {
    if ((token[at] | 0x20) != lower[at]) return false;
  }
  return true;
}

FieldName find_known(std::string_view name) {
  char first = ascii_lower(name.front());
  if (name.size() <= kLongestKnown) {
    for (std::size_t i = kByLength.begin[name.size()]; i < kByLength.begin[name.size() + 1]; ++i) {
      const Known& known = kByLength.names[i];
      if (known.name.front() == first && is_name(name, known.name)) return known.id;
    }
  }
  if (first == 'x') {
    for (auto prefix : kOwnedPrefixes) {
      if (name.size() >= prefix.size() && is_name(name.substr(0, prefix.size()), prefix)) {
        return FieldName::gateway_owned;
      }
    }
  }
  return FieldName::other;
}

bool is_alias_separator(char c) { return c == '_' || c == '.'; }

constexpr std::array<bool, 256> kTokenTable = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    table[c] =
        alnum || (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos);
  }
  return table;
}();

}  // namespace

FieldName classify_field(std::string_view name) {
  if (name.empty()) return FieldName::other;
  FieldName id = find_known(name);
  if (id != FieldName::other || std::none_of(name.begin(), name.end(), is_alias_separator)) return id;
  char folded[kLongestKnown + 1];  // of a longer name, all that an owned prefix needs
  auto begin = name.substr(0, sizeof folded);
  std::replace_copy_if(begin.begin(), begin.end(), folded, is_alias_separator, '-');
  bool alias = find_known({folded, begin.size()}) != FieldName::other;
  return alias ? FieldName::gateway_owned : FieldName::other;
}

bool may_be_nominated(std::string_view name) {
  constexpr std::array<std::string_view, 2> kNever{"cache-control", "set-cookie"};
  if (std::any_of(kNever.begin(), kNever.end(), [&](auto never) { return iequals(name, never); })) return false;
  switch (classify_field(name)) {
    case FieldName::host:
    case FieldName::content_length:
    case FieldName::transfer_encoding:
    case FieldName::authorization:
    case FieldName::cookie:
    case FieldName::forwarded:
    case FieldName::via:
    case FieldName::x_request_id:
    case FieldName::traceparent:
    case FieldName::content_type:
    case FieldName::gateway_owned: return false;
    default: return true;
  }
}

std::size_t leading_token_bytes(std::string_view text) {
  auto end =
      std::find_if_not(text.begin(), text.end(), [](char c) { return kTokenTable[static_cast<unsigned char>(c)]; });
  return static_cast<std::size_t>(end - text.begin());
}

bool is_token(std::string_view text) { return !text.empty() && leading_token_bytes(text) == text.size(); }

// No early exit, so that the loop becomes vector instructions: a value is nearly always sound, and a token is long.
bool is_field_value(std::string_view text) {
  bool sound = true;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    sound &= (byte >= 0x20 && byte != 0x7F) || byte == '\t';
  }
  return sound;
}

}  // namespace lotagate::http
