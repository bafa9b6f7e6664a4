#include "base/decimal.h"

#include <gtest/gtest.h>

#include <string>

namespace lotagate {
namespace {

std::string decimal(std::uint64_t value) {
  char digits[kMaxDecimalBytes];
  return {digits, write_decimal(digits, value)};
}

TEST(Decimal, WritesEveryNumberOfDigits) {
  for (std::uint64_t value = 0; value < 100'000; ++value) ASSERT_EQ(decimal(value), std::to_string(value));
  for (std::uint64_t power = 1; power < 1'000'000'000'000'000'000; power *= 10) {
    for (std::uint64_t value : {power - 1, power, power + 1, power * 9, power * 10 - 1}) {
      ASSERT_EQ(decimal(value), std::to_string(value));
    }
  }
  for (unsigned bit = 0; bit < 64; ++bit) {
    std::uint64_t power = std::uint64_t{1} << bit;
    for (std::uint64_t value : {power - 1, power, power + 1}) ASSERT_EQ(decimal(value), std::to_string(value));
  }
  EXPECT_EQ(decimal(UINT64_MAX), "18446744073709551615");
}

}  // namespace
}  // namespace lotagate
