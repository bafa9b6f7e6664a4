#include "http/field_lines.h"

#include <cstring>

namespace lotagate::http {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

// As is_field_value(), without an early exit: the compiler checks 16 bytes at a time.
bool are_value_bytes(std::string_view text) {
  unsigned char bad = 0;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned char>((byte < 0x20 && byte != '\t') || byte == 0x7F);
  }
  return bad == 0;
}

}  // namespace

FieldFault read_field_lines(std::string_view lines, std::size_t max_fields, FieldList& out) {
  const char* at = lines.data();
  const char* end = at + lines.size();
  while (true) {
    // The first CR has to be the line's end: a value with one in it is no value.
    auto* cr = static_cast<const char*>(std::memchr(at, '\r', static_cast<std::size_t>(end - at)));
    if (cr == nullptr || end - cr < 2 || cr[1] != '\n') return FieldFault::syntax;
    if (cr == at) return cr + 2 == end ? FieldFault::none : FieldFault::syntax;
    if (out.items.size() == max_fields) return FieldFault::too_many;

    auto* colon = static_cast<const char*>(std::memchr(at, ':', static_cast<std::size_t>(cr - at)));
    if (colon == nullptr) return FieldFault::syntax;
    std::string_view name(at, static_cast<std::size_t>(colon - at));
    auto id = classify_token(name);
    if (!id) return FieldFault::syntax;
    const char* value = colon + 1;
    const char* value_end = cr;
    while (value != value_end && is_blank(*value)) ++value;
    while (value != value_end && is_blank(value_end[-1])) --value_end;
    Field field{.name = name, .value = {value, static_cast<std::size_t>(value_end - value)}, .id = *id};
    if (!are_value_bytes(field.value)) return FieldFault::syntax;
    out.add(field);
    at = cr + 2;
  }
}

}  // namespace lotagate::http
