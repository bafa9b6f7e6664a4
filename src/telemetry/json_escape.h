// JSON strings into fixed buffers.
#pragma once

#include <cstddef>
#include <string_view>

namespace lotagate::telemetry {

// Least `cap` of write_json_escaped: an escape and the mark of a cut fit.
inline constexpr std::size_t kMinEscapedBytes = 16;

// Writes `text` as the inside of a JSON string under the rules of append_json_escaped (base/text.h), at most `cap`
// bytes, escapes included; a longer one is cut between characters and ends in "...". `out` has room for `cap` bytes.
// Returns the end of what was written.
char* write_json_escaped(char* out, std::string_view text, std::size_t cap) noexcept;

}  // namespace lotagate::telemetry
