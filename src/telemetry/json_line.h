// One access-log line: a RequestRecord as a JSON object, written into a fixed buffer without allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "telemetry/record.h"

namespace lotagate::telemetry {

// Caps of the values as they stand in the line, escapes included; a longer one is cut before an escape or a character
// and ends in "...". The path's cap covers path and redacted query together.
inline constexpr std::size_t kMaxPathBytes = 2048;
inline constexpr std::size_t kMaxFieldBytes = 256;
// Bound of a whole line with its newline: the path, ten other texts, and less than 1 KiB of names and numbers.
inline constexpr std::size_t kMaxLineBytes = kMaxPathBytes + 10 * kMaxFieldBytes + 1024;

// Formats lines; remembers the last second it printed. One per shard, single-threaded.
class LineFormatter {
 public:
  // Writes `record` and a newline to `out` (at least kMaxLineBytes) and returns the end. All members are always there,
  // in one order; what is not known is null. Times are RFC 3339 UTC with milliseconds, durations
  // milliseconds with microseconds as decimals. Of the query only the names of `name=value` pairs are written.
  char* format(char* out, const RequestRecord& record) noexcept;

 private:
  char* write_time(char* out, WallTime time) noexcept;

  std::int64_t second_ = INT64_MIN;
  std::array<char, 19> second_text_{};  // 2025-01-31T23:59:59
};

}  // namespace lotagate::telemetry
