#include "http/field.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/bytes16.h"
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
    Known{"x-api-key", FieldName::x_api_key},
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

// A name of at most 24 bytes as three words that overlap where it is shorter: its first eight bytes, the eight from the
// eighth on (those of a name above 16 bytes; else the first again) and its last eight. Together with the length they
// are the whole name, so comparing names is comparing words. Bit 5 is set everywhere: that lowers letters, and for the
// bytes of a token it makes no other byte equal to a letter, a digit or '-', of which the known names consist.
struct NameWords {
  std::uint64_t first = 0;
  std::uint64_t middle = 0;
  std::uint64_t last = 0;
  std::size_t length = 0;
  constexpr bool operator==(const NameWords&) const = default;
};

constexpr std::uint64_t kCaseBits = 0x2020202020202020;

// Little-endian on every machine; compilers make one load of it.
constexpr std::uint64_t load(const char* at, std::size_t bytes) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes; ++i) word |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return word;
}

constexpr NameWords words_of(std::string_view name) {
  const char* begin = name.data();
  const char* end = begin + name.size();
  NameWords words{.length = name.size()};
  if (name.size() >= 8) {
    words.first = load(begin, 8) | kCaseBits;
    words.last = load(end - 8, 8) | kCaseBits;
    words.middle = name.size() > 16 ? load(begin + 8, 8) | kCaseBits : words.first;
    return words;
  }
  if (name.size() >= 4) {
    words.first = load(begin, 4) | load(end - 4, 4) << 32;
  } else {  // filled up with '-', so that is_plain() holds for these, too
    constexpr std::uint64_t kFill = 0x2D2D2D2D2D000000;
    words.first = load(begin, 1) | load(begin + name.size() / 2, 1) << 8 | load(end - 1, 1) << 16 | kFill;
  }
  words.first |= kCaseBits;
  words.middle = words.last = words.first;
  return words;
}

// Every known name has a slot of its own (a perfect hash): the multiplier that achieves it is found by the compiler.
constexpr std::size_t kSlotBits = 7;
constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
constexpr std::size_t slot_of(const NameWords& words, std::uint64_t multiplier) {
  return ((words.first ^ std::rotl(words.last, 23) ^ words.length) * multiplier) >> (64 - kSlotBits);
}

constexpr std::array<NameWords, kKnown.size()> kKnownWords = [] {
  std::array<NameWords, kKnown.size()> all{};
  std::transform(kKnown.begin(), kKnown.end(), all.begin(), [](const Known& known) { return words_of(known.name); });
  return all;
}();

constexpr bool separates(std::uint64_t multiplier) {
  std::array<bool, kSlots> taken{};
  return std::none_of(kKnownWords.begin(), kKnownWords.end(),
                      [&](const NameWords& words) { return std::exchange(taken[slot_of(words, multiplier)], true); });
}

constexpr std::uint64_t kMultiplier = [] {
  std::uint64_t multiplier = 0x9E3779B97F4A7C15;
  while (!separates(multiplier)) multiplier = multiplier * 0xD1342543DE82EF95 + 2;
  return multiplier;
}();

struct Slot {
  NameWords words;
  FieldName id = FieldName::other;
};
constexpr std::array<Slot, kSlots> kTable = [] {
  std::array<Slot, kSlots> table{};
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    table[slot_of(kKnownWords[i], kMultiplier)] = {kKnownWords[i], kKnown[i].id};
  }
  return table;
}();

// Whether all bytes (with kCaseBits set) are letters or '-': then a name is no alias and no byte needs a closer look.
bool is_plain(const NameWords& words) {
  auto odd = [](std::uint64_t one, std::uint64_t other) {
    auto bytes = std::bit_cast<Bytes16>(std::array{one, other});
    return (bytes - 'a' > 'z' - 'a') & (bytes != '-');
  };
  return !any(odd(words.first, words.last)) && (words.length <= 16 || !any(odd(words.middle, words.middle)));
}

// `lower` holds lower-case letters, digits and '-' only; `token` is as long.
bool is_name(std::string_view token, std::string_view lower) {
  for (std::size_t i = 0; i < token.size(); ++i) {
    if ((token[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

bool has_owned_prefix(std::string_view name) {
  return std::any_of(kOwnedPrefixes.begin(), kOwnedPrefixes.end(), [&](std::string_view prefix) {
    return name.size() >= prefix.size() && is_name(name.substr(0, prefix.size()), prefix);
  });
}

FieldName find_known(std::string_view name, const NameWords& words) {
  const Slot& slot = kTable[slot_of(words, kMultiplier)];
  if (slot.words == words) return slot.id;
  bool maybe_owned = name.size() > 2 && (name[0] | 0x20) == 'x' && name[1] == '-';
  return maybe_owned && has_owned_prefix(name) ? FieldName::gateway_owned : FieldName::other;
}

// Longer names than any known one can still have a prefix that is the gateway's.
FieldName find_known(std::string_view name) {
  if (name.size() <= kLongestKnown) return find_known(name, words_of(name));
  return has_owned_prefix(name) ? FieldName::gateway_owned : FieldName::other;
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

FieldName classify_odd_field(std::string_view name) {
  FieldName id = find_known(name);
  if (id != FieldName::other || std::none_of(name.begin(), name.end(), is_alias_separator)) return id;
  char folded[kLongestKnown + 1];  // of a longer name, all that an owned prefix needs
  auto begin = name.substr(0, sizeof folded);
  std::replace_copy_if(begin.begin(), begin.end(), folded, is_alias_separator, '-');
  bool alias = find_known({folded, begin.size()}) != FieldName::other;
  return alias ? FieldName::gateway_owned : FieldName::other;
}

}  // namespace

std::optional<FieldName> classify_token(std::string_view name) {
  if (name.empty()) return std::nullopt;
  if (name.size() <= kLongestKnown) {
    NameWords words = words_of(name);
    if (is_plain(words)) return find_known(name, words);
  }
  if (!is_token(name)) return std::nullopt;
  return classify_odd_field(name);
}

FieldName classify_field(std::string_view name) {
  if (name.empty()) return FieldName::other;
  auto id = classify_token(name);
  return id ? *id : classify_odd_field(name);
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

bool is_field_value(std::string_view text) {
  // One comparison finds everything but printable ASCII: bytes above it, and DEL with one added, are negative.
  auto unusual = [](Bytes16 bytes) { return std::bit_cast<SignedBytes16>(bytes + 1) <= 0x20; };
  if (none_of_bytes(text, unusual)) return true;
  return none_of_bytes(text, [](Bytes16 bytes) { return ((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7F); });
}

}  // namespace lotagate::http
