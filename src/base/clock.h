// Time as types. Nothing here reads a clock: the runtime's backend does, once per turn of the loop.
#pragma once

#include <chrono>

namespace lotagate {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Monotonic: deadlines, ages, rates. Never compared with wall time.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, nanoseconds>;
// Wall: token claims, log stamps. May jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, nanoseconds>;

inline constexpr MonotonicTime kNever = MonotonicTime::max();

}  // namespace lotagate
