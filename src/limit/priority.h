// Who goes first among requests that wait for a place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lotagate::limit {

enum class Priority : std::uint8_t { high, normal, low };
inline constexpr std::size_t kPriorityCount = 3;

}  // namespace lotagate::limit
