// ASCII helpers for protocol text: never locale, never Unicode case.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lotagate {

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

constexpr bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  }
  return true;
}

// Without SP and HTAB at both ends (OWS of RFC 9110 5.6.3).
constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The whole text as 1*DIGIT; nothing for an empty text, another character or overflow.
constexpr std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  constexpr std::size_t kAlwaysFits = 19;  // digits
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    auto digit = static_cast<std::uint64_t>(static_cast<unsigned char>(c)) - '0';
    if (digit > 9) return std::nullopt;
    if (text.size() > kAlwaysFits && value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

// Calls `each(item)` for every element of a comma-separated list, trimmed; empty elements are passed too.
template <typename Each>
constexpr void for_each_list_item(std::string_view list, Each&& each) {
  while (true) {
    auto comma = list.find(',');
    each(trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

// Bytes of the valid UTF-8 character at the start of `text`, which is not empty (RFC 3629: no overlong forms, no
// surrogates); 0 if there is none.
std::size_t utf8_sequence_bytes(std::string_view text) noexcept;

// Appends `text` as the inside of a JSON string: quotes, backslash, controls, DEL, U+2028/2029 and every byte that
// is not valid UTF-8 leave as \uXXXX (an invalid byte as \ufffd). Output is pure, valid JSON whatever comes in.
void append_json_escaped(std::string& out, std::string_view text);

// Edit distance with early exit, for nearest-name hints: the candidate closest to `name` within 3 edits, or empty.
template <typename Names>
std::string_view nearest_name(std::string_view name, const Names& candidates);

std::size_t edit_distance(std::string_view a, std::string_view b);

template <typename Names>
std::string_view nearest_name(std::string_view name, const Names& candidates) {
  std::string_view best;
  std::size_t best_distance = name.size() < 4 ? 2 : 4;  // exclusive: short names allow one edit, longer ones three
  for (std::string_view candidate : candidates) {
    std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace lotagate
