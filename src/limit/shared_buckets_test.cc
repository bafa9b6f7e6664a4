#include "limit/shared_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "limit/test_redis.h"

namespace lotagate::limit {
namespace {

using testing::eventually;
using testing::RedisServer;

MonotonicTime now() { return std::chrono::steady_clock::now(); }

SharedPolicy policy_of(std::uint32_t tokens, double rate, StoreFailure on_failure = StoreFailure::local) {
  return {
      .name = "per_user", .bucket = make_bucket_policy(tokens, rate).value(), .most_debt = 0, .on_failure = on_failure};
}

// Two cores are shared with whatever else runs: a test waits longer for an answer than a gateway would.
StoreSettings settings_of(const RedisServer& server) {
  StoreSettings settings;
  settings.servers = {server.address()};
  settings.memory_bytes = std::size_t{1} << 20;
  settings.timeout = milliseconds(500);
  settings.heartbeat_every = milliseconds(50);
  settings.probe_every = milliseconds(20);
  return settings;
}

// Gateways that share the server, and know of each other.
struct Gateways {
  Gateways(const StoreSettings& settings, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) all.push_back(std::make_unique<SharedBuckets>(settings));
    EXPECT_TRUE(eventually([&] {
      for (auto& gateway : all) {
        if (gateway->stats().live_gateways != count) return false;
      }
      return true;
    }));
  }
  SharedBuckets& operator[](std::size_t i) { return *all[i]; }
  std::vector<std::unique_ptr<SharedBuckets>> all;
};

constexpr std::uint64_t kKey = 0x9E3779B97F4A7C15;

// Takes one token after another until `wanted` are admitted or `time` is over; how many were.
std::uint32_t admitted(SharedBuckets& buckets, const SharedPolicy& policy, nanoseconds time,
                       std::uint32_t wanted = UINT32_MAX, std::uint64_t key = kKey) {
  const MonotonicTime end = now() + time;
  std::uint32_t count = 0;
  while (count < wanted && now() < end) {
    if (buckets.take(key, "somebody", policy, now()).decision.allowed) {
      ++count;
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  return count;
}

TEST(SharedBuckets, OneGatewayGetsTheWholeBurstAndNoMore) {
  RedisServer server;
  SharedBuckets buckets(settings_of(server));
  const SharedPolicy& policy = buckets.policy(policy_of(100, 1.0 / 3600));
  EXPECT_EQ(admitted(buckets, policy, seconds(2), 1000), 100u);
  const SharedDecision refused = buckets.take(kKey, "somebody", policy, now());
  EXPECT_FALSE(refused.decision.allowed);
  EXPECT_FALSE(refused.local);
  EXPECT_EQ(refused.decision.remaining, 0u);
  EXPECT_GT(refused.decision.retry_after, seconds(3500));
}

TEST(SharedBuckets, OneOfFourGatewaysGetsTheWholeBurst) {
  RedisServer server;
  Gateways gateways(settings_of(server), 4);
  const SharedPolicy& policy = gateways[0].policy(policy_of(100, 1.0 / 3600));
  EXPECT_EQ(admitted(gateways[0], policy, seconds(10), 100), 100u);
  EXPECT_EQ(admitted(gateways[0], policy, milliseconds(100)), 0u);
}

// The largest number of admissions in any span above what the rate allows for it: what the first term of the bound is
// for. One pass, since it is a bucket's own arithmetic.
double largest_excess(std::vector<MonotonicTime>& admissions, double rate) {
  std::ranges::sort(admissions);
  double level = 0, most = 0;
  MonotonicTime last = admissions.empty() ? MonotonicTime{} : admissions.front();
  for (const MonotonicTime at : admissions) {
    level = std::max(level - rate * std::chrono::duration<double>(at - last).count(), 0.0) + 1;
    last = at;
    most = std::max(most, level);
  }
  return most;
}

// What four gateways admit of a bucket in `time`, each pausing between takes as told.
std::vector<MonotonicTime> admissions_under(Gateways& gateways, const SharedPolicy& policy, nanoseconds time,
                                            std::array<milliseconds, 4> pauses) {
  std::array<std::vector<MonotonicTime>, 4> each;
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        const SharedPolicy& mine = gateways[i].policy(policy);
        const MonotonicTime end = now() + time;
        for (MonotonicTime at = now(); at < end; at = now()) {
          if (gateways[i].take(kKey, "somebody", mine, at).decision.allowed) each[i].push_back(at);
          std::this_thread::sleep_for(std::max<nanoseconds>(pauses[i], std::chrono::microseconds(100)));
        }
      });
    }
  }
  std::vector<MonotonicTime> all;
  for (const auto& some : each) all.insert(all.end(), some.begin(), some.end());
  return all;
}

TEST(SharedBuckets, SkewedLoadOnFourGatewaysStaysWithinTheBound) {
  RedisServer server;
  Gateways gateways(settings_of(server), 4);
  // The first asks all the time, the others every 10, 100 and 500 ms.
  auto admissions = admissions_under(gateways, policy_of(40, 100), seconds(3),
                                     {milliseconds(0), milliseconds(10), milliseconds(100), milliseconds(500)});
  // burst + rate (t + L) + (G - 1) ceil(burst / G) + G; and no less than the rate, but for what is on its way.
  EXPECT_LE(largest_excess(admissions, 100), 40 + 100 * 1.2 + 3 * 10 + 4);
  EXPECT_GE(admissions.size(), 40 + 100 * 3 - 100 * 1.2);
}

// Load that moves from one gateway to the next leaves leases behind everywhere.
TEST(SharedBuckets, LoadThatWandersStaysWithinTheBound) {
  RedisServer server;
  StoreSettings settings = settings_of(server);
  settings.lease_life = milliseconds(200);
  Gateways gateways(settings, 4);
  const SharedPolicy policy = policy_of(60, 60);
  std::vector<MonotonicTime> admissions;
  const MonotonicTime start = now();
  for (unsigned turn = 0; now() - start < seconds(5); ++turn) {
    const unsigned i = turn * 7 % 4;
    const SharedPolicy& mine = gateways[i].policy(policy);
    for (const MonotonicTime end = now() + milliseconds(30 + turn * 13 % 90); now() < end;) {
      const MonotonicTime at = now();
      if (gateways[i].take(kKey, "somebody", mine, at).decision.allowed) admissions.push_back(at);
      std::this_thread::sleep_for(milliseconds(turn % 3 == 0 ? 0 : 4));
    }
  }
  EXPECT_LE(largest_excess(admissions, 60), 60 + 60 * 0.2 + 3 * 15 + 4);
  EXPECT_GE(admissions.size(), 60 + 60 * 5 * 0.8);
}

// Leases that other gateways keep, and fees, must not be felt by who stays within the limit, wherever requests go.
TEST(SharedBuckets, AClientWithinItsLimitIsNotRefusedByAnyOfFourGateways) {
  RedisServer server;
  Gateways gateways(settings_of(server), 4);
  std::vector<const SharedPolicy*> policies;
  for (auto& gateway : gateways.all) policies.push_back(&gateway->policy(policy_of(4, 10)));
  constexpr milliseconds kPause(125);  // 8 a second
  MonotonicTime at = now();
  for (unsigned i = 0; i < 48; ++i) {
    const SharedDecision decision = gateways[i % 4].take(kKey, "somebody", *policies[i % 4], now());
    EXPECT_TRUE(decision.decision.allowed) << i;
    EXPECT_FALSE(decision.local);
    at += kPause;
    std::this_thread::sleep_until(at);
  }
}

// Tokens missing in the store's bucket of "somebody", of one token an hour.
std::int64_t missing_hours(RedisServer& server) {
  const std::string key = server.command({"KEYS", "lotagate:limit:*"});
  if (!key.starts_with("lotagate:limit:")) return 0;
  return (std::stoll(server.command({"PTTL", key})) + 1'800'000) / 3'600'000;
}

TEST(SharedBuckets, UnspentLeasesGoBack) {
  RedisServer server;
  Gateways gateways(settings_of(server), 2);
  const SharedPolicy& policy = gateways[0].policy(policy_of(100, 1.0 / 3600));
  EXPECT_EQ(admitted(gateways[0], policy, seconds(10), 60), 60u);
  EXPECT_TRUE(eventually([&] { return missing_hours(server) == 60; })) << missing_hours(server);
  EXPECT_TRUE(eventually([&] { return gateways[0].stats().tokens_held == 0; }));
}

TEST(SharedBuckets, AGatewayThatEndsGivesEverythingBack) {
  RedisServer server;
  {
    SharedBuckets buckets(settings_of(server));
    EXPECT_EQ(admitted(buckets, buckets.policy(policy_of(100, 1.0 / 3600)), seconds(10), 30), 30u);
  }
  EXPECT_EQ(server.command({"ZCARD", "lotagate:gateways"}), "0");
  EXPECT_EQ(missing_hours(server), 30);
}

TEST(SharedBuckets, AnExpensiveRequestGetsItsTokens) {
  RedisServer server;
  Gateways gateways(settings_of(server), 4);
  const SharedPolicy& policy = gateways[0].policy(policy_of(100, 1.0 / 3600));
  EXPECT_TRUE(eventually([&] { return gateways[0].take(kKey, "somebody", policy, now(), 90).decision.allowed; }));
  EXPECT_FALSE(gateways[0].take(kKey, "somebody", policy, now(), 101).decision.allowed);
  EXPECT_EQ(admitted(gateways[0], policy, seconds(2), 100), 10u);
}

TEST(SharedBuckets, SettlingChargesIntoDebtAndGivesBack) {
  RedisServer server;
  Gateways gateways(settings_of(server), 2);
  SharedPolicy wanted = policy_of(100, 1.0 / 3600);
  wanted.most_debt = 50;
  const SharedPolicy& first = gateways[0].policy(wanted);
  const SharedPolicy& second = gateways[1].policy(wanted);
  EXPECT_TRUE(eventually([&] { return gateways[0].take(kKey, "somebody", first, now(), 50).decision.allowed; }));
  gateways[0].settle(kKey, first, now(), -40);
  EXPECT_EQ(admitted(gateways[1], second, seconds(10), 80), 80u);
  gateways[0].settle(kKey, first, now(), 60);
  EXPECT_TRUE(eventually([&] {
    return gateways[0].stats().tokens_owed == 0 && !gateways[0].take(kKey, "somebody", first, now()).decision.allowed;
  }));
  EXPECT_TRUE(eventually([&] {
    gateways[1].take(kKey, "somebody", second, now());
    return gateways[1].take(kKey, "somebody", second, now()).decision.retry_after > std::chrono::hours(40);
  }));
}

// A million takes by eight threads of two gateways, on four keys.
TEST(SharedBuckets, AMillionTakesByEightThreadsStayWithinTheBound) {
  RedisServer server;
  Gateways gateways(settings_of(server), 2);
  constexpr std::uint32_t kBurst = 500, kRate = 2000, kThreads = 8, kTakes = 125'000, kKeys = 4;
  const SharedPolicy policy = policy_of(kBurst, kRate);
  const SharedPolicy& first = gateways[0].policy(policy);
  const SharedPolicy& second = gateways[1].policy(policy);
  std::array<std::atomic<std::uint32_t>, kKeys> sums{};
  const MonotonicTime start = now();
  {
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        SharedBuckets& mine = gateways[thread % 2];
        for (std::uint32_t i = 0; i < kTakes; ++i) {
          const std::uint32_t n = (i + thread) % kKeys;
          const bool allowed =
              mine.take(kKey * (n + 1), std::to_string(n), thread % 2 == 0 ? first : second, now()).decision.allowed;
          if (allowed) ++sums[n];
          if (i % 1000 == 0) (void)mine.stats();
        }
      });
    }
  }
  const double time = std::chrono::duration<double>(now() - start).count();
  for (const auto& sum : sums) {
    EXPECT_LE(sum.load(), kBurst + kRate * (time + 1.2) + kBurst / 2 + 2);
    EXPECT_GE(sum.load(), kBurst / 2);
  }
}

TEST(SharedBuckets, OverTimeTheRateIsExact) {
  RedisServer server;
  Gateways gateways(settings_of(server), 4);
  const SharedPolicy policy = policy_of(10, 50);
  // All four ask for all they can get, first until whatever credit there was has been charged.
  std::atomic<std::uint32_t> sum{0};
  std::atomic<bool> counting{false}, done{false};
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const SharedPolicy& mine = gateways[i].policy(policy);
      while (!done) {
        const bool allowed = gateways[i].take(kKey, "somebody", mine, now()).decision.allowed;
        if (allowed && counting) ++sum;
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      }
    });
  }
  std::this_thread::sleep_for(seconds(2));
  const MonotonicTime start = now();
  counting = true;
  std::this_thread::sleep_for(seconds(4));
  counting = false;
  const double time = std::chrono::duration<double>(now() - start).count();
  done = true;
  threads.clear();
  EXPECT_LE(sum.load(), 50 * time + 10);
  EXPECT_GE(sum.load(), 50 * time - 10);
}

}  // namespace
}  // namespace lotagate::limit
