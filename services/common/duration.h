// Durations as flags give them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace lotagate::services {

// "500ms", "90s", "15m", "12h", "30d"; a plain number is seconds. At most 100 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace lotagate::services
