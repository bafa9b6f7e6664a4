// What shared buckets do when the store is away, slow, read-only, full, emptied or wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "limit/shared_buckets.h"
#include "limit/test_redis.h"

namespace lotagate::limit {
namespace {

using testing::eventually;
using testing::free_port;
using testing::RedisServer;

MonotonicTime now() { return std::chrono::steady_clock::now(); }

constexpr std::uint64_t kKey = 0x9E3779B97F4A7C15;
constexpr double kHourly = 1.0 / 3600;

SharedPolicy policy_of(std::uint32_t tokens, double rate, StoreFailure on_failure = StoreFailure::local) {
  return {
      .name = "per_user", .bucket = make_bucket_policy(tokens, rate).value(), .most_debt = 0, .on_failure = on_failure};
}

StoreSettings settings_of(std::vector<StoreAddress> servers) {
  StoreSettings settings;
  settings.servers = std::move(servers);
  settings.memory_bytes = std::size_t{1} << 20;
  settings.timeout = milliseconds(300);
  settings.heartbeat_every = milliseconds(50);
  settings.probe_every = milliseconds(50);
  return settings;
}

// One gateway and what it logged.
struct Gateway {
  explicit Gateway(const StoreSettings& settings, const SharedPolicy& wanted)
      : buckets(settings, {.log =
                               [this](bool, std::string_view line) {
                                 std::lock_guard lock(mutex);
                                 lines.emplace_back(line);
                               }}),
        policy(buckets.policy(wanted)) {}

  SharedDecision take(std::uint64_t key = kKey, std::uint32_t cost = 1) {
    return buckets.take(key, std::to_string(key), policy, now(), cost);
  }
  // How many of `tries` in a row are admitted.
  std::uint32_t take_many(std::uint32_t tries, std::uint64_t key = kKey) {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < tries; ++i) count += take(key).decision.allowed ? 1 : 0;
    return count;
  }
  std::uint32_t take_until_refused_for(nanoseconds time, std::uint64_t key = kKey) {
    std::uint32_t count = 0;
    for (MonotonicTime last = now(); now() - last < time;) {
      if (take(key).decision.allowed) {
        ++count;
        last = now();
      } else {
        std::this_thread::sleep_for(milliseconds(1));
      }
    }
    return count;
  }
  bool waits_for(bool connected) {
    return eventually([&] { return buckets.stats().connected == connected; });
  }
  bool waits_for_gateways(std::uint32_t count) {
    return eventually([&] { return buckets.stats().live_gateways == count; });
  }
  std::vector<std::string> logged() {
    std::lock_guard lock(mutex);
    return lines;
  }

  std::mutex mutex;
  std::vector<std::string> lines;
  SharedBuckets buckets;
  const SharedPolicy& policy;
};

// Of the only bucket in the store, until it is full.
milliseconds time_to_live(RedisServer& server) {
  const std::string key = server.command({"KEYS", "lotagate:limit:*"});
  return milliseconds(key.starts_with("lotagate:") ? std::stoll(server.command({"PTTL", key})) : 0);
}

TEST(SharedBucketsFailure, WithoutAStoreThePolicyDecides) {
  const StoreSettings nowhere = settings_of({{.host = "127.0.0.1", .port = free_port()}});
  Gateway local(nowhere, policy_of(10, kHourly, StoreFailure::local));
  EXPECT_EQ(local.take_many(20), 10u);
  EXPECT_TRUE(local.take().local);
  EXPECT_FALSE(local.take().unavailable);

  Gateway closed(nowhere, policy_of(10, kHourly, StoreFailure::closed));
  const SharedDecision refused = closed.take();
  EXPECT_FALSE(refused.decision.allowed);
  EXPECT_TRUE(refused.unavailable);
  EXPECT_GE(refused.decision.retry_after, seconds(1));

  Gateway open(nowhere, policy_of(10, kHourly, StoreFailure::open));
  EXPECT_EQ(open.take_many(1000), 1000u);
  EXPECT_FALSE(open.buckets.stats().last_error.empty());
  EXPECT_EQ(open.logged().size(), 1u);
}

TEST(SharedBucketsFailure, AKilledStoreLeavesEachGatewayItsShareAndChargesItAfterwards) {
  auto server = std::make_unique<RedisServer>();
  const StoreSettings settings = settings_of({server->address()});
  Gateway first(settings, policy_of(40, kHourly));
  Gateway second(settings, policy_of(40, kHourly));
  ASSERT_TRUE(first.waits_for_gateways(2) && second.waits_for_gateways(2));
  server->end(SIGKILL);
  ASSERT_TRUE(first.waits_for(false) && second.waits_for(false));
  EXPECT_EQ(first.take_many(100), 20u);
  EXPECT_EQ(second.take_many(100), 20u);

  server->start();  // empty: it knows nothing of what was spent
  ASSERT_TRUE(first.waits_for(true) && second.waits_for(true));
  // 40 tokens of an hour each: both have paid. What more they may spend is credit of the one that was charged first.
  ASSERT_TRUE(eventually([&] { return time_to_live(*server) > std::chrono::minutes(39 * 60 + 30); }));
  EXPECT_LE(first.take_until_refused_for(milliseconds(300)) + second.take_until_refused_for(milliseconds(300)),
            20 + 2u);
  EXPECT_EQ(first.take_until_refused_for(milliseconds(1500)) + second.take_until_refused_for(milliseconds(300)), 0u);
  const auto lines = first.logged();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("is away (127.0.0.1:"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("is back"), std::string::npos) << lines[1];
}

TEST(SharedBucketsFailure, AStoppedStoreDelaysNobodyAndIsFoundAgain) {
  RedisServer server;
  StoreSettings settings = settings_of({server.address()});
  settings.timeout = milliseconds(20);
  Gateway gateway(settings, policy_of(40, kHourly));
  ASSERT_TRUE(gateway.waits_for(true));
  EXPECT_TRUE(gateway.take().decision.allowed);
  server.suspend();
  ASSERT_TRUE(gateway.waits_for(false));
  EXPECT_LE(gateway.take_many(100), 39u);
  EXPECT_GT(gateway.buckets.stats().calls_timed_out + gateway.buckets.stats().calls_failed, 0u);
  server.resume();
  ASSERT_TRUE(gateway.waits_for(true));
  EXPECT_EQ(gateway.take_until_refused_for(milliseconds(300)), 0u);
}

TEST(SharedBucketsFailure, FlushedScriptsAreLoadedAgain) {
  RedisServer server;
  Gateway gateway(settings_of({server.address()}), policy_of(1000, 1000));
  EXPECT_GT(gateway.take_many(10), 0u);
  EXPECT_EQ(server.command({"SCRIPT", "FLUSH"}), "OK");
  const std::uint64_t before = gateway.buckets.stats().calls_ok;
  EXPECT_TRUE(eventually([&] {
    gateway.take();
    return gateway.buckets.stats().calls_ok > before + 5;
  }));
  EXPECT_EQ(gateway.buckets.stats().times_lost, 0u);
}

TEST(SharedBucketsFailure, AnEmptiedStoreIsToldWhatALiveGatewayRemembers) {
  RedisServer server;
  Gateway gateway(settings_of({server.address()}), policy_of(100, kHourly));
  EXPECT_EQ(gateway.take_until_refused_for(milliseconds(300)), 100u);
  EXPECT_EQ(server.command({"FLUSHALL"}), "OK");
  EXPECT_EQ(gateway.take_until_refused_for(milliseconds(2500)), 0u);
}

TEST(SharedBucketsFailure, AKeyOfAnotherTypeIsThatKeysTroubleOnly) {
  RedisServer server;
  Gateway gateway(settings_of({server.address()}), policy_of(100'000, kHourly));
  EXPECT_TRUE(gateway.take(1).decision.allowed);
  std::string key;
  ASSERT_TRUE(eventually([&] {
    key = server.command({"KEYS", "lotagate:limit:*"});
    return key.starts_with("lotagate:");
  }));
  for (const auto& spoil : {std::vector<std::string>{"LPUSH", key, "x"}, {"SET", key, "no number"}}) {
    server.command({"DEL", key});
    server.command(spoil);
    EXPECT_TRUE(eventually([&] { return gateway.take(1).local; }));
    EXPECT_TRUE(gateway.take(2).decision.allowed);
    EXPECT_FALSE(gateway.take(2).local);
    EXPECT_TRUE(gateway.buckets.stats().connected);
    server.command({"DEL", key});
    EXPECT_TRUE(eventually([&] { return !gateway.take(1).local; }));
  }
  EXPECT_EQ(gateway.buckets.stats().times_lost, 0u);
}

TEST(SharedBucketsFailure, AFullStoreIsAway) {
  RedisServer server;
  Gateway gateway(settings_of({server.address()}), policy_of(10, kHourly));
  ASSERT_TRUE(gateway.waits_for(true));
  server.command({"CONFIG", "SET", "maxmemory", "1"});
  ASSERT_TRUE(gateway.waits_for(false));
  EXPECT_NE(gateway.buckets.stats().last_error.find("OOM"), std::string::npos) << gateway.buckets.stats().last_error;
  EXPECT_EQ(gateway.take_many(20), 10u);
  server.command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(gateway.waits_for(true));
}

TEST(SharedBucketsFailure, ACopyLeadsToItsMasterAndOneThatTakesOverIsFound) {
  RedisServer one;
  RedisServer two({"--replicaof", "127.0.0.1", std::to_string(one.port()), "--repl-diskless-sync-delay", "0"});
  ASSERT_TRUE(eventually(
      [&] { return two.command({"INFO", "replication"}).find("master_link_status:up") != std::string::npos; }));
  Gateway gateway(settings_of({two.address(), one.address()}), policy_of(100, kHourly));
  ASSERT_TRUE(gateway.waits_for(true));
  EXPECT_EQ(gateway.take_until_refused_for(milliseconds(300)), 100u);
  ASSERT_TRUE(eventually([&] { return two.command({"DBSIZE"}) == "2"; }));
  // The copy becomes the master; the old master becomes a copy of it, and refuses to be written.
  EXPECT_EQ(two.command({"REPLICAOF", "NO", "ONE"}), "OK");
  EXPECT_EQ(one.command({"REPLICAOF", "127.0.0.1", std::to_string(two.port())}), "OK");
  ASSERT_TRUE(eventually([&] { return one.command({"ROLE"}) == "slave"; }));
  const std::uint64_t before = gateway.buckets.stats().calls_ok;
  EXPECT_TRUE(
      eventually([&] { return gateway.buckets.stats().connected && gateway.buckets.stats().calls_ok > before + 5; }));
  EXPECT_EQ(gateway.take_until_refused_for(milliseconds(300)), 0u);
  one.end(SIGKILL);
  const std::uint64_t without = gateway.buckets.stats().calls_ok;
  EXPECT_TRUE(eventually([&] { return gateway.buckets.stats().calls_ok > without + 3; }));
}

TEST(SharedBucketsFailure, PasswordsAndDatabasesAreUsedAndNeverTold) {
  StoreSettings access;
  access.password = "top-secret";
  RedisServer server({"--requirepass", "top-secret"}, access);
  StoreSettings settings = settings_of({server.address()});
  settings.password = "top-secret";
  settings.database = 3;
  {
    Gateway gateway(settings, policy_of(10, kHourly));
    ASSERT_TRUE(gateway.waits_for(true));
    EXPECT_NE(server.command({"INFO", "keyspace"}).find("db3:"), std::string::npos);
    settings.password = "another-secret";
    gateway.buckets.reconfigure(settings);
    ASSERT_TRUE(gateway.waits_for(false));
    settings.password = "top-secret";
    settings.user = "default";
    gateway.buckets.reconfigure(settings);
    ASSERT_TRUE(gateway.waits_for(true));
  }
  settings.user.clear();
  for (const char* wrong : {"wrong-secret", ""}) {
    settings.password = wrong;
    Gateway gateway(settings, policy_of(10, kHourly));
    ASSERT_TRUE(eventually([&] { return !gateway.logged().empty(); }));
    EXPECT_FALSE(gateway.buckets.stats().connected);
    const std::string told = gateway.logged()[0] + gateway.buckets.stats().last_error;
    EXPECT_EQ(told.find("secret"), std::string::npos) << told;
    EXPECT_TRUE(told.find("WRONGPASS") != std::string::npos || told.find("NOAUTH") != std::string::npos) << told;
  }
}

// Each gateway would believe to be the only one.
TEST(SharedBucketsFailure, AStoreThatDoesNotCountGatewaysIsAway) {
  RedisServer server;
  server.command({"SET", "lotagate:gateways", "what somebody else left"});
  Gateway gateway(settings_of({server.address()}), policy_of(10, kHourly, StoreFailure::closed));
  ASSERT_TRUE(eventually([&] { return !gateway.logged().empty(); }));
  EXPECT_TRUE(gateway.take().unavailable);
  EXPECT_NE(gateway.logged()[0].find("WRONGTYPE"), std::string::npos) << gateway.logged()[0];
  server.command({"DEL", "lotagate:gateways"});
  ASSERT_TRUE(gateway.waits_for(true));
}

TEST(SharedBucketsFailure, AStoreThatRefusesScriptsIsAway) {
  RedisServer server;
  server.command({"ACL", "SETUSER", "default", "-script"});
  Gateway gateway(settings_of({server.address()}), policy_of(10, kHourly, StoreFailure::closed));
  ASSERT_TRUE(eventually([&] { return !gateway.logged().empty(); }));
  EXPECT_TRUE(gateway.take().unavailable);
  EXPECT_NE(gateway.logged()[0].find("SCRIPT LOAD: NOPERM"), std::string::npos) << gateway.logged()[0];
  server.command({"ACL", "SETUSER", "default", "+script"});
  ASSERT_TRUE(gateway.waits_for(true));
}

// Two that saw a third one leave just before the store is lost: when it is back and empty, the one that finds it first
// sees nobody but itself there, and must not believe that.
TEST(SharedBucketsFailure, WhoFindsAnEmptiedStoreFirstKnowsOfTheOthers) {
  RedisServer server;
  StoreSettings settings = settings_of({server.address()});
  settings.gateway_life = milliseconds(500);
  Gateway first(settings, policy_of(30, kHourly));
  settings.probe_every = std::chrono::minutes(1);
  Gateway second(settings, policy_of(30, kHourly));
  {
    Gateway third(settings, policy_of(30, kHourly));
    ASSERT_TRUE(first.waits_for_gateways(3));
  }
  const std::uint64_t before = first.buckets.stats().calls_ok;
  ASSERT_TRUE(eventually([&] { return first.buckets.stats().calls_ok > before + 1; }));
  server.end(SIGKILL);
  ASSERT_TRUE(first.waits_for(false));
  const MonotonicTime lost = now();
  ASSERT_TRUE(eventually([&] { return now() > lost + settings.gateway_life; }));
  server.start();
  ASSERT_TRUE(first.waits_for(true));
  EXPECT_GE(first.buckets.stats().live_gateways, 2u);
}

TEST(SharedBucketsFailure, AFullTableFallsBackToTheGatewaysShare) {
  StoreSettings nowhere = settings_of({{.host = "127.0.0.1", .port = free_port()}});
  nowhere.memory_bytes = 16 * 1024;
  Gateway gateway(nowhere, policy_of(10, kHourly));
  for (std::uint64_t i = 1; i < 5000; ++i) gateway.take(i * kKey);
  const StoreStats stats = gateway.buckets.stats();
  EXPECT_LE(stats.keys, stats.slots);
  EXPECT_GT(stats.no_room, 0u);
  EXPECT_EQ(stats.evictions, 0u);  // each has something to charge
  EXPECT_LE(gateway.take_many(100, 5000 * kKey), 10u);
}

TEST(SharedBucketsFailure, AFullTableChangesNothingAboutClosedAndOpen) {
  StoreSettings nowhere = settings_of({{.host = "127.0.0.1", .port = free_port()}});
  nowhere.memory_bytes = 16 * 1024;
  Gateway gateway(nowhere, policy_of(10, kHourly));
  const SharedPolicy& closed = gateway.buckets.policy(policy_of(10, kHourly, StoreFailure::closed));
  const SharedPolicy& open = gateway.buckets.policy(policy_of(10, kHourly, StoreFailure::open));
  for (std::uint64_t i = 1; i < 5000; ++i) gateway.take(i * kKey);
  const std::uint64_t key = 5000 * kKey;
  for (int i = 0; i < 20; ++i) {
    const SharedDecision refused = gateway.buckets.take(key, "one", closed, now());
    EXPECT_TRUE(!refused.decision.allowed && refused.unavailable && refused.local);
    EXPECT_TRUE(gateway.buckets.take(key + kKey, "another", open, now()).decision.allowed);
  }
}

}  // namespace
}  // namespace lotagate::limit
