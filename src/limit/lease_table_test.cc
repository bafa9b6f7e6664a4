#include "limit/lease_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace lotagate::limit {
namespace {

constexpr std::uint64_t kNow = 3'600'000'000'000;
constexpr LeaseView kView{.up = true, .gateways = 2, .connection = 1, .life_ns = 1'000'000'000};

class LeaseTableTest : public ::testing::Test {
 protected:
  Lease& enter(std::uint64_t key) {
    LeaseTable::Locked found = table_.find_or_enter(key, kView, kNow);
    EXPECT_TRUE(found.lease != nullptr && found.entered);
    found.lease->policy = &policy_;
    return *found.lease;
  }
  bool has(std::uint64_t key) { return table_.find(key).lease != nullptr; }

  SharedPolicy policy_{.name = "p", .bucket = make_bucket_policy(100, 1).value()};
  LeaseTable table_{1};  // a single set
};

TEST_F(LeaseTableTest, KeysAreFoundAgain) {
  EXPECT_EQ(table_.slots(), LeaseTable::kWays);
  EXPECT_FALSE(has(5));
  enter(5).owed = 3;
  enter(0).owed = 4;  // a key like any other
  EXPECT_EQ(table_.find(5).lease->owed, 3u);
  EXPECT_EQ(table_.find(0).lease->owed, 4u);
  EXPECT_EQ(table_.occupied(), 2u);
  table_.visit_set(0, [](std::uint64_t key, Lease&) { return key == 5; });
  EXPECT_EQ(table_.occupied(), 1u);
  EXPECT_FALSE(has(0));
}

TEST_F(LeaseTableTest, ANewKeyTakesThePlaceOfTheFullestBucket) {
  for (std::uint64_t key = 1; key <= 8; ++key) enter(key).full_at_ns = kNow + (key == 6 ? 1 : key * 10) * 1'000'000'000;
  enter(9).full_at_ns = kNow + 90'000'000'000;
  EXPECT_FALSE(has(6));
  EXPECT_EQ(table_.evictions(), 1u);
  enter(10);
  EXPECT_FALSE(has(1));
}

TEST_F(LeaseTableTest, WhatIsToBePaidStays) {
  for (std::uint64_t key = 1; key <= 8; ++key) {
    Lease& lease = enter(key);
    if (key < 4) lease.owed = 1;
    if (key >= 4 && key < 8) lease.refund = 1;
    if (key == 8) lease.in_flight = true;
  }
  EXPECT_EQ(table_.find_or_enter(9, kView, kNow).lease, nullptr);
  // Spent while the store was away, and refilled since: nothing to charge.
  Lease& lease = *table_.find(2).lease;
  lease.local = true;
  lease.local_full_at_ns = kNow;
  EXPECT_NE(table_.find_or_enter(9, kView, kNow).lease, nullptr);
  EXPECT_FALSE(has(2));
  EXPECT_EQ(table_.evictions(), 0u);
}

TEST(LeaseTable, LooksOnlyWhereLeasesMayBe) {
  constexpr LeaseView kUp{.up = true, .gateways = 2, .connection = 1, .life_ns = 1'000'000'000};
  const SharedPolicy policy{.name = "p", .bucket = make_bucket_policy(10, 1).value()};
  LeaseTable table(std::size_t{1} << 22);
  EXPECT_EQ(table.next_used(0), table.sets());
  for (std::uint64_t n = 1; n <= 20; ++n) {
    const auto found = table.find_or_enter(n * 0x9E3779B97F4A7C15, kUp, 3600'000'000'000);
    ASSERT_TRUE(found.entered);
    found.lease->policy = &policy;
  }
  std::size_t seen = 0, looked_at = 0;
  for (std::size_t set = table.next_used(0); set < table.sets(); set = table.next_used(set + 1)) {
    ++looked_at;
    table.visit_set(set, [&](std::uint64_t, Lease&) { return ++seen, false; });
  }
  EXPECT_EQ(seen, 20u);
  EXPECT_LE(looked_at, 20u * 16);
  EXPECT_EQ(table.occupied(), 0u);
  EXPECT_EQ(table.next_used(0), table.sets());
}

TEST(LeaseQueue, IsBoundedAndInOrder) {
  LeaseQueue queue(3);
  EXPECT_TRUE(queue.push(1) && queue.push(2) && queue.push(3));
  EXPECT_FALSE(queue.push(4));
  std::vector<std::uint64_t> keys;
  queue.pop(keys, 2);
  EXPECT_TRUE(queue.push(4));
  queue.pop(keys, 10);
  EXPECT_EQ(keys, (std::vector<std::uint64_t>{1, 2, 3, 4}));
  queue.wake();
  queue.wait(std::chrono::hours(1));  // not for long
}

}  // namespace
}  // namespace lotagate::limit
