#include "http/field_lines.h"

#include "base/bytes16.h"

namespace lotagate::http {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

FieldFault read_field_lines(std::string_view lines, std::size_t max_fields, FieldList& out) {
  const char* at = lines.data();
  const char* end = at + lines.size();
  while (true) {
    // The first CR has to be the line's end: a value with one in it is no value.
    const char* cr = find_byte(at, end, '\r');
    if (cr == nullptr || end - cr < 2 || cr[1] != '\n') return FieldFault::syntax;
    if (cr == at) return cr + 2 == end ? FieldFault::none : FieldFault::syntax;
    if (out.items.size() == max_fields) return FieldFault::too_many;

    const char* colon = find_byte(at, cr, ':');
    if (colon == nullptr) return FieldFault::syntax;
    std::string_view name(at, static_cast<std::size_t>(colon - at));
    auto id = classify_token(name);
    if (!id) return FieldFault::syntax;
    const char* value = colon + 1;
    const char* value_end = cr;
    while (value != value_end && is_blank(*value)) ++value;
    while (value != value_end && is_blank(value_end[-1])) --value_end;
    Field field{.name = name, .value = {value, static_cast<std::size_t>(value_end - value)}, .id = *id};
    if (!is_field_value(field.value)) return FieldFault::syntax;
    out.add(field);
    at = cr + 2;
  }
}

}  // namespace lotagate::http
