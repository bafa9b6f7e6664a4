// The field lines of a head: `name ":" blanks value blanks CRLF`, and nothing else (RFC 9112 5). No folded lines, no
// blanks before the colon, no bare CR or LF, no controls: there is one way to read what this accepts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/head.h"

namespace lotagate::http {

enum class FieldFault : std::uint8_t { none, syntax, too_many };

// `lines`: everything behind the first line of a head, up to and including its empty line. Appends to `out`, whose
// views point into `lines`; on a fault `out` holds the fields before it.
FieldFault read_field_lines(std::string_view lines, std::size_t max_fields, FieldList& out);

}  // namespace lotagate::http
