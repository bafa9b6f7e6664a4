#include "limit/bucket.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace lotagate::limit {
namespace {

using std::chrono::hours;

BucketPolicy policy(std::uint32_t tokens, double rate) { return make_bucket_policy(tokens, rate).value(); }

MonotonicTime at(nanoseconds since_boot) { return MonotonicTime(since_boot); }

// One bucket that remembers its state.
struct Bucket {
  BucketPolicy policy;
  std::uint64_t full_at_ns = 0;

  BucketDecision take(MonotonicTime now, std::uint32_t cost = 1) {
    BucketStep step = bucket_step(policy, full_at_ns, now, cost);
    if (step.changes) full_at_ns = step.full_at_ns;
    return step.decision;
  }
};

TEST(BucketPolicy, CompilesBurstAndRate) {
  BucketPolicy compiled = policy(100, 50);
  EXPECT_EQ(compiled.burst, 100u);
  EXPECT_EQ(compiled.interval_ns, 20'000'000u);
  EXPECT_EQ(compiled.window_ns, 2'000'000'000u);
  EXPECT_EQ(policy(1, 1.0 / 3600).interval_ns, 3'600'000'000'000u);
  EXPECT_EQ(policy(1, 100.0 / 60).interval_ns, 600'000'000u);
  EXPECT_EQ(policy(UINT32_MAX, 1e6).window_ns, std::uint64_t{UINT32_MAX} * 1000);
}

TEST(BucketPolicy, RefusesWhatCannotBeKept) {
  EXPECT_FALSE(make_bucket_policy(0, 1));
  for (double rate : {0.0, -1.0, 1.1e6, 1e300, std::numeric_limits<double>::infinity(),
                      std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::denorm_min()}) {
    EXPECT_FALSE(make_bucket_policy(1, rate)) << rate;
  }
  EXPECT_FALSE(make_bucket_policy(UINT32_MAX, 1));
  EXPECT_TRUE(make_bucket_policy(1'000'000'000, 1));
}

TEST(Bucket, GivesTheBurstThenTheRate) {
  Bucket bucket{policy(3, 10)};
  MonotonicTime now = at(seconds(5));
  EXPECT_EQ(bucket.take(now).remaining, 2u);
  EXPECT_EQ(bucket.take(now).remaining, 1u);
  BucketDecision last = bucket.take(now);
  EXPECT_TRUE(last.allowed);
  EXPECT_EQ(last.remaining, 0u);
  EXPECT_EQ(last.reset, milliseconds(300));

  BucketDecision refused = bucket.take(now);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, milliseconds(100));
  EXPECT_EQ(refused.reset, milliseconds(300));
  EXPECT_FALSE(bucket.take(now + milliseconds(100) - nanoseconds(1)).allowed);
  EXPECT_TRUE(bucket.take(now + milliseconds(100)).allowed);
}

TEST(Bucket, ARefusalTakesNothing) {
  Bucket bucket{policy(1, 1)};
  ASSERT_TRUE(bucket.take(at(seconds(1))).allowed);
  std::uint64_t before = bucket.full_at_ns;
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(bucket.take(at(milliseconds(1500))).allowed);
  EXPECT_EQ(bucket.full_at_ns, before);
  EXPECT_TRUE(bucket.take(at(seconds(2))).allowed);
}

TEST(Bucket, RetryAfterIsExactForAnyCost) {
  std::mt19937_64 random(1);
  Bucket bucket{policy(50, 333)};
  MonotonicTime now = at(seconds(1));
  for (int i = 0; i < 20000; ++i) {
    now += nanoseconds(random() % 10'000'000);
    auto cost = static_cast<std::uint32_t>(random() % 50 + 1);
    BucketDecision decision = bucket.take(now, cost);
    if (decision.allowed) continue;
    EXPECT_FALSE(bucket_step(bucket.policy, bucket.full_at_ns, now + decision.retry_after - nanoseconds(1), cost)
                     .decision.allowed);
    EXPECT_TRUE(bucket_step(bucket.policy, bucket.full_at_ns, now + decision.retry_after, cost).decision.allowed);
  }
}

// Any schedule of requests: never above burst + rate * t, and not a token less for a client who asks often enough that
// the bucket never overflows (with a burst of 1 it overflows while it waits for the next request).
TEST(Bucket, AdmitsBurstAndRateTimesTime) {
  for (double rate : {0.5, 3.0, 7.0, 50.0, 999.0, 12345.0}) {
    for (std::uint32_t burst : {1u, 2u, 100u}) {
      Bucket bucket{policy(burst, rate)};
      std::mt19937_64 random(static_cast<std::uint64_t>(rate) + burst);
      const auto mean_gap = static_cast<std::uint64_t>(1e9 / rate / 4);  // four times as often as allowed
      const MonotonicTime start = at(hours(1));
      MonotonicTime now = start;
      std::uint64_t admitted = 0;
      for (int i = 0; i < 40000; ++i) {
        admitted += bucket.take(now).allowed ? 1 : 0;
        double span = std::chrono::duration<double>(now - start).count();
        const double refilled = rate * span;
        const double rounding = refilled * rate / 2e9 + 1e-6;  // of the interval
        ASSERT_LE(static_cast<double>(admitted), burst + refilled + rounding) << rate << ' ' << burst;
        const double owed = burst > 1 ? std::min(i + 1.0, burst + refilled - 1 - rounding) : 0;
        ASSERT_GE(static_cast<double>(admitted), owed) << rate << ' ' << burst;
        now += nanoseconds(random() % (2 * mean_gap) + 1);
      }
    }
  }
}

TEST(Bucket, CostZeroAsksAndCostAboveBurstNeverPasses) {
  Bucket bucket{policy(5, 1)};
  MonotonicTime now = at(seconds(100));
  EXPECT_EQ(bucket.take(now, 0).remaining, 5u);
  EXPECT_EQ(bucket.full_at_ns, 0u);
  EXPECT_FALSE(bucket.take(now, 6).allowed);
  EXPECT_FALSE(bucket.take(now, UINT32_MAX).allowed);
  EXPECT_EQ(bucket.full_at_ns, 0u);
  EXPECT_TRUE(bucket.take(now, 5).allowed);
  EXPECT_EQ(bucket.take(now, UINT32_MAX).retry_after, seconds(5));
  EXPECT_FALSE(bucket_step(policy(1'000'000'000, 1), 0, now, UINT32_MAX).decision.allowed);
}

TEST(Bucket, AnOlderNowAdmitsLess) {
  Bucket bucket{policy(2, 1)};
  ASSERT_TRUE(bucket.take(at(seconds(10))).allowed);
  EXPECT_FALSE(bucket.take(at(seconds(9)) - milliseconds(1)).allowed);
  EXPECT_TRUE(bucket.take(at(seconds(10))).allowed);
}

TEST(Bucket, ABucketOfASlowerPolicyIsAtMostEmpty) {
  BucketStep slow = bucket_step(policy(10, 1.0 / 3600), 0, at(seconds(1)), 10);
  BucketStep fast = bucket_step(policy(10, 50), slow.full_at_ns, at(seconds(1)), 1);
  EXPECT_FALSE(fast.decision.allowed);
  EXPECT_TRUE(fast.changes);
  EXPECT_EQ(fast.decision.retry_after, milliseconds(20));
  EXPECT_TRUE(bucket_step(policy(10, 50), fast.full_at_ns, at(milliseconds(1020)), 1).decision.allowed);
}

TEST(Bucket, ClocksAtTheirEndsDoNotWrap) {
  BucketPolicy longest = policy(1'000'000'000, 1);
  for (MonotonicTime now : {MonotonicTime::min(), at(nanoseconds(-1)), at(nanoseconds(0)), MonotonicTime::max()}) {
    Bucket bucket{longest};
    EXPECT_TRUE(bucket.take(now, longest.burst).allowed);
    BucketDecision refused = bucket.take(now);
    EXPECT_FALSE(refused.allowed);
    EXPECT_EQ(refused.retry_after, seconds(1));
    EXPECT_LT(bucket.full_at_ns, 1ull << 62);
  }
}

// What `settle` moves, by itself: from a bucket of 10 at 1/s that holds `left`.
std::uint32_t left_after_settling(std::uint32_t left, std::int64_t tokens, std::uint32_t debt = 0) {
  BucketPolicy ten = make_bucket_policy(10, 1, debt).value();
  MonotonicTime now = at(hours(1));
  std::uint64_t full_at = bucket_clock_ns(now) + (10 - left) * ten.interval_ns;
  return bucket_settle(ten, full_at, now, tokens).decision.remaining;
}

TEST(Bucket, SettlingChargesMoreOrGivesBack) {
  EXPECT_EQ(left_after_settling(5, 3), 2u);
  EXPECT_EQ(left_after_settling(5, -3), 8u);
  EXPECT_EQ(left_after_settling(5, 0), 5u);
  EXPECT_EQ(left_after_settling(5, 9), 0u) << "no further than empty";
  EXPECT_EQ(left_after_settling(5, -9), 10u) << "no fuller than full";
  for (std::int64_t extreme : {std::numeric_limits<std::int64_t>::max(), std::int64_t{UINT32_MAX}}) {
    EXPECT_EQ(left_after_settling(5, extreme, 100), 0u);
    EXPECT_EQ(left_after_settling(5, -extreme, 100), 10u);
  }
  EXPECT_EQ(left_after_settling(5, std::numeric_limits<std::int64_t>::min()), 10u);
}

TEST(Bucket, ADebtIsPaidBeforeAnythingElseIsAdmitted) {
  Bucket bucket{make_bucket_policy(10, 1, 20).value()};
  MonotonicTime now = at(hours(1));
  bucket.take(now, 4);
  bucket.full_at_ns = bucket_settle(bucket.policy, bucket.full_at_ns, now, 16).full_at_ns;  // 10 below empty
  BucketDecision refused = bucket.take(now);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, seconds(11));
  EXPECT_FALSE(bucket.take(now + seconds(10)).allowed);
  EXPECT_TRUE(bucket.take(now + seconds(11)).allowed);
}

TEST(Bucket, ADebtHasItsBound) {
  BucketPolicy policy = make_bucket_policy(10, 1, 5).value();
  MonotonicTime now = at(hours(1));
  std::uint64_t full_at = bucket_settle(policy, 0, now, 1000).full_at_ns;
  EXPECT_EQ(full_at, bucket_clock_ns(now) + 15 * policy.interval_ns);
  EXPECT_EQ(bucket_step(policy, full_at, now).decision.retry_after, seconds(6));
}

// Reserving, then settling to what it did cost, is the same as having known.
TEST(Bucket, ReservingAndSettlingIsTheSameAsKnowing) {
  std::mt19937 random(7);
  Bucket known{make_bucket_policy(1000, 10, 500).value()};
  Bucket reserving = known;
  MonotonicTime now = at(hours(1));
  for (int i = 0; i < 10'000; ++i) {
    now += milliseconds(random() % 2000);
    std::uint32_t reserve = 1 + random() % 50;
    std::uint32_t cost = random() % 100;
    if (!reserving.take(now, reserve).allowed) continue;
    std::int64_t difference = std::int64_t{cost} - reserve;
    reserving.full_at_ns = bucket_settle(reserving.policy, reserving.full_at_ns, now, difference).full_at_ns;
    known.full_at_ns = bucket_settle(known.policy, known.full_at_ns, now, cost).full_at_ns;
    ASSERT_EQ(known.full_at_ns, reserving.full_at_ns) << i;
  }
}

}  // namespace
}  // namespace lotagate::limit
