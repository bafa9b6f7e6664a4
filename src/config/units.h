// Durations, sizes and rates as people write them. Pure functions; an error is the message for the operator.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace lotagate::config {

template <typename T>
using Parsed = std::expected<T, std::string>;

// A whole number with ms, s, m, h or d: "250ms", "10s". A lone "0" is zero; any other number needs its unit.
Parsed<milliseconds> parse_duration(std::string_view text);

// A whole number of bytes with B, KB, MB, GB (1000) or KiB, MiB, GiB (1024): "32KiB". A lone "0" is zero.
Parsed<std::uint64_t> parse_size(std::string_view text);

// A whole or decimal number per s, m (min), h (hour) or d (day), as events per second: "50/s", "0.5/s", "100/min".
Parsed<double> parse_rate(std::string_view text);

// The shortest exact form that the parsers above take: "10s", "32KiB".
std::string to_text(milliseconds duration);
std::string size_to_text(std::uint64_t bytes);
// In the unit in which it is a whole number ("1000/d"), or the first one in which it is at least 1, rounded to six
// decimals; parse_rate takes it.
std::string rate_to_text(double per_second);

}  // namespace lotagate::config
