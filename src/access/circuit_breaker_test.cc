#include "access/circuit_breaker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace lotagate::access {
namespace {

using State = CircuitBreakerStats::State;
using Permit = CircuitBreaker::Permit;

class CircuitBreakerTest : public ::testing::Test {
 protected:
  static CircuitBreakerSettings settings() {
    return {.failures = 3, .first_pause = milliseconds(1000), .last_pause = milliseconds(4000)};
  }
  static MonotonicTime at(std::int64_t time_ms) { return MonotonicTime(milliseconds(time_ms)); }

  State state() const { return breaker_.stats().state; }
  bool fail(std::int64_t time_ms) {
    auto permit = breaker_.begin(at(time_ms));
    if (permit) breaker_.failed(*permit, at(time_ms));
    return permit.has_value();
  }
  bool succeed(std::int64_t time_ms) {
    auto permit = breaker_.begin(at(time_ms));
    if (permit) breaker_.succeeded(*permit);
    return permit.has_value();
  }
  void open(std::int64_t time_ms) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(fail(time_ms));
    ASSERT_EQ(state(), State::open);
  }
  // The first millisecond at or after `from` at which a call is allowed; it is left under way in `permit`.
  std::int64_t first_allowed(std::int64_t from, Permit& permit) {
    for (std::int64_t now = from; now < from + 100000; ++now) {
      auto got = breaker_.begin(at(now));
      if (!got) continue;
      permit = *got;
      return now;
    }
    return -1;
  }

  CircuitBreaker breaker_{settings()};
};

TEST_F(CircuitBreakerTest, U01_OpensAfterFailuresInARowOnly) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(fail(i));
    EXPECT_TRUE(fail(i));
    EXPECT_TRUE(succeed(i));
  }
  EXPECT_EQ(state(), State::closed);
  open(100);
  EXPECT_FALSE(breaker_.begin(at(100)));
  EXPECT_FALSE(breaker_.begin(at(849))) << "three quarters of the pause are sure";
  auto stats = breaker_.stats();
  EXPECT_EQ(stats.opened, 1u);
  EXPECT_EQ(stats.refused, 2u);
  EXPECT_EQ(stats.probes, 0u);
}

TEST_F(CircuitBreakerTest, U01_OneProbeDecides) {
  open(0);
  Permit probe;
  std::int64_t now = first_allowed(0, probe);
  EXPECT_GE(now, 750);
  EXPECT_LE(now, 1000);
  EXPECT_EQ(state(), State::half_open);
  EXPECT_FALSE(breaker_.begin(at(now))) << "one probe at a time";
  EXPECT_FALSE(breaker_.begin(at(now + 1000000))) << "however long it takes";
  breaker_.succeeded(probe);
  EXPECT_EQ(state(), State::closed);
  EXPECT_TRUE(fail(now));
  EXPECT_TRUE(fail(now));
  EXPECT_EQ(state(), State::closed) << "counted from nothing again";
  EXPECT_EQ(breaker_.stats().probes, 1u);
}

TEST_F(CircuitBreakerTest, U01_PausesDoubleUpToTheLast) {
  open(0);
  std::int64_t now = 0;
  for (std::int64_t most : {1000, 2000, 4000, 4000, 4000}) {
    Permit probe;
    std::int64_t allowed = first_allowed(now, probe);
    EXPECT_GE(allowed - now, most * 3 / 4);
    EXPECT_LE(allowed - now, most);
    now = allowed + 50;
    breaker_.failed(probe, at(now));
    EXPECT_EQ(state(), State::open);
  }
  EXPECT_EQ(breaker_.stats().opened, 1u) << "one outage";
  Permit probe;
  now = first_allowed(now, probe);
  breaker_.succeeded(probe);
  open(now);
  std::int64_t again = first_allowed(now, probe);
  EXPECT_LE(again - now, 1000) << "the first pause again after a recovery";
  breaker_.succeeded(probe);
}

TEST_F(CircuitBreakerTest, CallsOfAnEarlierPeriodSayNothing) {
  auto early_good = breaker_.begin(at(0));
  auto early_bad = breaker_.begin(at(0));
  ASSERT_TRUE(early_good && early_bad);
  open(0);
  breaker_.succeeded(*early_good);
  EXPECT_EQ(state(), State::open);
  breaker_.failed(*early_bad, at(500));
  Permit probe;
  std::int64_t now = first_allowed(0, probe);
  EXPECT_LE(now, 1000) << "a late failure does not lengthen the pause";
  breaker_.failed(*early_bad, at(now));
  EXPECT_EQ(state(), State::half_open) << "nor does it answer for the probe";
  breaker_.succeeded(probe);
  breaker_.failed(probe, at(now));
  EXPECT_EQ(state(), State::closed);
}

TEST_F(CircuitBreakerTest, AnAbandonedProbeLetsTheNextCallBeOne) {
  open(0);
  Permit probe;
  std::int64_t now = first_allowed(0, probe);
  breaker_.abandoned(probe);
  EXPECT_EQ(state(), State::open);
  auto next = breaker_.begin(at(now));
  ASSERT_TRUE(next);
  EXPECT_FALSE(breaker_.begin(at(now)));
  breaker_.succeeded(probe);
  EXPECT_EQ(state(), State::half_open) << "the abandoned one is out of it";
  breaker_.succeeded(*next);
  EXPECT_EQ(state(), State::closed);
}

TEST_F(CircuitBreakerTest, AbandonedCallsAreNeitherGoodNorBad) {
  ASSERT_TRUE(fail(0));
  ASSERT_TRUE(fail(0));
  auto permit = breaker_.begin(at(0));
  ASSERT_TRUE(permit);
  breaker_.abandoned(*permit);
  EXPECT_EQ(state(), State::closed);
  EXPECT_TRUE(fail(0));
  EXPECT_EQ(state(), State::open);
}

TEST_F(CircuitBreakerTest, AHintEndsThePauseButNotTheProof) {
  breaker_.hint();
  open(0);
  EXPECT_FALSE(breaker_.begin(at(1)));
  breaker_.hint();
  auto probe = breaker_.begin(at(1));
  ASSERT_TRUE(probe);
  breaker_.hint();
  EXPECT_FALSE(breaker_.begin(at(1))) << "still one probe at a time";
  breaker_.failed(*probe, at(2));
  EXPECT_EQ(state(), State::open);
  EXPECT_FALSE(breaker_.begin(at(3)));
}

TEST(CircuitBreaker, GatewaysDoNotKnockInStep) {
  std::set<std::int64_t> pauses;
  for (int gateway = 0; gateway < 50; ++gateway) {
    CircuitBreaker breaker({.failures = 1});
    MonotonicTime died{nanoseconds(gateway)};
    breaker.failed(*breaker.begin(died), died);
    std::int64_t now_ms = 0;
    while (!breaker.begin(MonotonicTime(milliseconds(now_ms)))) ++now_ms;
    pauses.insert(now_ms);
  }
  EXPECT_GT(pauses.size(), 20u);
}

// Under TSan too. The breaker is open to begin with, so that whatever is allowed before the recovery is a probe.
TEST(CircuitBreakerThreads, U01_NeverTwoProbesAndTheRecoveryIsNoticed) {
  constexpr std::uint64_t kProbes = 200;  // so many find the service still dead
  CircuitBreaker breaker({.failures = 1, .first_pause = milliseconds(4), .last_pause = milliseconds(64)});
  breaker.failed(*breaker.begin({}), {});
  std::atomic<std::int64_t> clock_ms{0};
  std::atomic<int> under_way{0};
  std::atomic<int> together{0};
  auto call = [&] {
    while (true) {
      std::int64_t now_ms = ++clock_ms;
      auto permit = breaker.begin(MonotonicTime(milliseconds(now_ms)));
      if (!permit) continue;
      if (breaker.stats().probes > kProbes) return breaker.succeeded(*permit);
      if (under_way.fetch_add(1) != 0) ++together;
      std::this_thread::yield();
      --under_way;
      breaker.failed(*permit, MonotonicTime(milliseconds(now_ms)));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(call);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(together, 0);
  EXPECT_EQ(breaker.stats().state, State::closed);
  EXPECT_GT(breaker.stats().probes, kProbes);
  EXPECT_GT(breaker.stats().refused, kProbes);
}

}  // namespace
}  // namespace lotagate::access
