// JSON strings read back, and what a text is to be in them: for fuzzers and tests of the escapers.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/check.h"

namespace lotagate::telemetry {

// The inside of a JSON string, decoded by simdjson.
inline std::string unescape(std::string_view escaped) {
  simdjson::dom::parser parser;
  std::string_view text;
  std::string document = "[\"" + std::string(escaped) + "\"]";
  LG_CHECK(parser.parse(document).at(0).get_string().get(text) == simdjson::SUCCESS, "no inside of a JSON string");
  return std::string(text);
}

// Decodes one character, by the arithmetic of RFC 3629 3 and not by its table; 0xFFFD and one byte if it is none.
struct Character {
  unsigned code = 0xFFFD;
  std::size_t bytes = 1;
};

inline Character first_character(std::string_view text) {
  const unsigned lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC0 || lead >= 0xF8 || text.size() < bytes) return {};
  unsigned code = lead & (0xFFu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    const unsigned next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    code = code << 6 | (next & 0x3F);
  }
  const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < least[bytes] || code > 0x10FFFF || surrogate ? Character{} : Character{code, bytes};
}

// Every byte that is no part of valid UTF-8 becomes U+FFFD.
inline std::string with_replacements(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    const bool invalid = character.code == 0xFFFD && character.bytes == 1;
    out += invalid ? std::string_view("\xEF\xBF\xBD") : text.substr(0, character.bytes);
    text.remove_prefix(character.bytes);
  }
  return out;
}

// O01: nothing that breaks a line, a terminal or a JavaScript string.
inline void check_json_bytes(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    LG_CHECK(character.code >= 0x20 && character.code != 0x7F, "a control character");
    LG_CHECK(character.code != 0x2028 && character.code != 0x2029, "a line separator");
    LG_CHECK(character.code != 0xFFFD || character.bytes == 3, "invalid UTF-8");
    text.remove_prefix(character.bytes);
  }
}

}  // namespace lotagate::telemetry
