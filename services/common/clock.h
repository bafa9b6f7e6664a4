// The time as it is stored and told.
#pragma once

#include <chrono>
#include <cstdint>

namespace lotagate::services {

// Seconds since 1970.
inline std::int64_t now_seconds() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace lotagate::services
