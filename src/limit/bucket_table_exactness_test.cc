// R01 and R03 in numbers: a million takes by 2 to 8 threads, and ten million keys.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <fstream>
#include <thread>
#include <vector>

#include "limit/bucket_table.h"

namespace lotagate::limit {
namespace {

std::uint64_t key_of(std::uint64_t n) {
  n = (n + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
  n = (n ^ (n >> 27)) * 0x94D049BB133111EB;
  return n ^ (n >> 31);
}

struct Tally {
  std::uint64_t admitted = 0;
  MonotonicTime last = MonotonicTime::min();
};

// Takes from one bucket by `threads` threads with the real clock, `takes` altogether.
Tally take_at_once(BucketTable& table, const BucketPolicy& policy, unsigned threads, std::uint64_t takes) {
  std::vector<Tally> tallies(threads);
  {
    std::barrier start(threads);
    std::vector<std::jthread> running;
    for (Tally& tally : tallies) {
      running.emplace_back([&, mine = &tally] {
        start.arrive_and_wait();
        for (std::uint64_t i = 0; i < takes / threads; ++i) {
          const MonotonicTime now = std::chrono::steady_clock::now();
          mine->last = now;
          if (table.take(key_of(1), policy, now).allowed) ++mine->admitted;
        }
      });
    }
  }
  Tally all;
  for (const Tally& tally : tallies) {
    all.admitted += tally.admitted;
    all.last = std::max(all.last, tally.last);
  }
  return all;
}

class Exactness : public testing::TestWithParam<unsigned> {};

// Beginning with an empty bucket, so that all that is admitted was refilled while the threads were at it, and with a
// large one, so that nothing runs over while the machine is busy elsewhere.
TEST_P(Exactness, R03_AMillionTakesAdmitWhatIsRefilled) {
  constexpr double kRate = 50'000;
  constexpr std::uint32_t kBurst = 1'000'000;
  BucketTable table(1 << 16);
  const BucketPolicy policy = make_bucket_policy(kBurst, kRate).value();
  const MonotonicTime begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(table.take(key_of(1), policy, begin, kBurst).allowed);
  const Tally tally = take_at_once(table, policy, GetParam(), 1'000'000);
  const double refilled = kRate * std::chrono::duration<double>(tally.last - begin).count();
  EXPECT_LE(static_cast<double>(tally.admitted), refilled + 1);
  // What nobody asked for any more: threads end one after another.
  const auto left = table.take(key_of(1), policy, tally.last, 0).remaining;
  EXPECT_GE(static_cast<double>(tally.admitted + left), refilled - 1);
}

TEST_P(Exactness, R03_AMillionTakesOfAStandingBucketAdmitItsBurst) {
  BucketTable table(1 << 16);
  const BucketPolicy policy = make_bucket_policy(123'456, 1.0 / 3600).value();
  EXPECT_EQ(take_at_once(table, policy, GetParam(), 1'000'000).admitted, 123'456u);
}

INSTANTIATE_TEST_SUITE_P(Threads, Exactness, testing::Values(2u, 3u, 4u, 8u),
                         [](const auto& param) { return std::to_string(param.param); });

[[maybe_unused]] std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(BucketTable, R01_TenMillionKeysTakeTheMemoryConfiguredAndLeaveHeavyOnes) {
  constexpr std::size_t kBytes = std::size_t{16} * 1024 * 1024;
  constexpr std::uint64_t kHeavy = 1000;
  constexpr std::uint64_t kNew = 10'000'000;
  const BucketPolicy policy = make_bucket_policy(100, 1.0 / 3600).value();
  MonotonicTime now{std::chrono::hours(1)};
  [[maybe_unused]] const std::size_t before = resident_bytes();
  BucketTable table(kBytes);
  for (std::uint64_t key = 0; key < kHeavy; ++key) table.take(key_of(key), policy, now, 100);
  for (std::uint64_t key = 0; key < kNew; ++key) {
    table.take(key_of(kHeavy + key), policy, now);
    now += nanoseconds(1000);
  }
  EXPECT_EQ(table.stats().bytes, kBytes);
  EXPECT_LE(table.stats().occupied, kBytes / 16);
#if !__has_feature(thread_sanitizer)  // whose own memory grows with what is touched
  EXPECT_LE(resident_bytes(), before + kBytes + (std::size_t{4} << 20)) << "AddressSanitizer's shadow included";
#endif
  std::uint64_t forgotten = 0;
  for (std::uint64_t key = 0; key < kHeavy; ++key) forgotten += table.take(key_of(key), policy, now).allowed;
  EXPECT_EQ(forgotten, 0u);
}

}  // namespace
}  // namespace lotagate::limit
