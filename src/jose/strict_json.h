// JSON that has only one reading: what JOSE needs (RFC 7515 4, RFC 8725 2.4) and what a parser does not give by itself.
#pragma once

#include <cstddef>
#include <string_view>

namespace simdjson::dom {
class element;
class parser;
}  // namespace simdjson::dom

namespace lotagate::jose {

struct JsonLimits {
  std::size_t max_bytes;
  std::size_t max_depth = 16;  // no header, claims set or key set of the RFCs is nested deeper than 4
};

// Parses `text` into `parser` and sets `document`, which lives until the parser's next use. Returns the reason of a
// refusal, or an empty text. Refused: more bytes or depth than `limits`, BOM, invalid UTF-8, lone surrogates, trailing
// data, numbers no double or 64-bit integer holds, and an object with the same member twice, at any depth. Linear but
// for sorting the names of each object; no recursion.
[[nodiscard]] std::string_view parse_strict_json(simdjson::dom::parser& parser, std::string_view text,
                                                 JsonLimits limits, simdjson::dom::element& document);

}  // namespace lotagate::jose
