#include "gateway/unknown_keys.h"

#include <gtest/gtest.h>

#include <vector>

namespace lotagate {
namespace {

constexpr MonotonicTime kStart{std::chrono::hours(1)};

// When one key that is sent every second causes fetches.
std::vector<std::int64_t> fetches(UnknownKeys& keys, std::uint64_t key, seconds length) {
  std::vector<std::int64_t> at;
  for (seconds second(0); second < length; ++second) {
    if (keys.may_ask(key, kStart + second)) at.push_back(second.count());
  }
  return at;
}

TEST(UnknownKeys, K03_OneKeyAsksLessAndLess) {
  UnknownKeys keys(seconds(10), seconds(300));
  EXPECT_EQ(fetches(keys, 7, seconds(1500)), (std::vector<std::int64_t>{0, 10, 30, 70, 150, 310, 610, 910, 1210}));
  EXPECT_TRUE(keys.may_ask(8, kStart)) << "another key has a memory of its own";
}

TEST(UnknownKeys, TheLongestWaitIsNeverBelowTheFirst) {
  UnknownKeys keys(seconds(10), seconds(1));
  EXPECT_EQ(fetches(keys, 0, seconds(25)), (std::vector<std::int64_t>{0, 10, 20}));
}

TEST(UnknownKeys, AForgottenKeyCountsAsNew) {
  UnknownKeys keys(seconds(10), seconds(300));
  EXPECT_TRUE(keys.may_ask(1, kStart));
  EXPECT_TRUE(keys.may_ask(1 + 256, kStart)) << "the same slot";
  EXPECT_FALSE(keys.may_ask(1 + 256, kStart));
  EXPECT_TRUE(keys.may_ask(1, kStart));
}

}  // namespace
}  // namespace lotagate
