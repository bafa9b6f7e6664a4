// Redis Cluster: three masters on 127.0.0.1, slots that move, a server that dies.
#include "limit/redis_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "limit/shared_buckets.h"
#include "limit/test_redis.h"

namespace lotagate::limit {
namespace {

using testing::eventually;
using testing::RedisServer;

MonotonicTime now() { return std::chrono::steady_clock::now(); }

TEST(RedisStore, FindsTheSlotOfAKey) {
  // The specification's own check value, and keys with hash tags; all as CLUSTER KEYSLOT of redis-server 7.0 says.
  EXPECT_EQ(RedisStore::slot_of("123456789"), 0x31C3 % 16384);
  EXPECT_EQ(RedisStore::slot_of(""), 0);
  EXPECT_EQ(RedisStore::slot_of("{user1000}.following"), RedisStore::slot_of("user1000"));
  EXPECT_EQ(RedisStore::slot_of("foo{}{bar}"), 8363);
  EXPECT_EQ(RedisStore::slot_of("foo{{bar}}zap"), RedisStore::slot_of("{bar"));
  EXPECT_EQ(RedisStore::slot_of("foo{bar}{zap}"), RedisStore::slot_of("bar"));
}

class RedisCluster : public ::testing::Test {
 protected:
  static constexpr std::size_t kNodes = 3;

  void SetUp() override {
    for (std::size_t i = 0; i < kNodes; ++i) {
      nodes_.push_back(std::make_unique<RedisServer>(
          std::vector<std::string>{"--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"}));
    }
    for (std::size_t i = 0; i < kNodes; ++i) {
      const auto first = std::to_string(16384 * i / kNodes), last = std::to_string(16384 * (i + 1) / kNodes - 1);
      ASSERT_EQ(nodes_[i]->command({"CLUSTER", "ADDSLOTSRANGE", first, last}), "OK");
      ASSERT_EQ(nodes_[i]->command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}), "OK");
    }
    for (std::size_t i = 1; i < kNodes; ++i) {
      ASSERT_EQ(nodes_[0]->command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[i]->port())}), "OK");
    }
    for (auto& node : nodes_) {
      ASSERT_TRUE(eventually([&] {
        const std::string info = node->command({"CLUSTER", "INFO"});
        return info.find("cluster_state:ok") != std::string::npos && info.find("cluster_size:3") != std::string::npos &&
               info.find("cluster_slots_assigned:16384") != std::string::npos;
      }));
    }
    settings_.servers = {nodes_[0]->address(), nodes_[1]->address()};
    settings_.memory_bytes = std::size_t{1} << 20;
    settings_.timeout = milliseconds(500);
    settings_.heartbeat_every = milliseconds(50);
    settings_.probe_every = milliseconds(50);
  }

  std::size_t node_of(std::uint16_t slot) const {
    for (std::size_t i = 0; i < kNodes; ++i) {
      if (slot < 16384 * (i + 1) / kNodes) return i;
    }
    return 0;
  }
  std::string id_of(std::size_t node) { return nodes_[node]->command({"CLUSTER", "MYID"}); }
  std::uint64_t keys_in(std::size_t node) { return std::stoull(nodes_[node]->command({"DBSIZE"})); }

  std::vector<std::unique_ptr<RedisServer>> nodes_;
  StoreSettings settings_;
};

SharedPolicy hourly(std::uint32_t tokens) {
  return {.name = "per_user", .bucket = make_bucket_policy(tokens, 1.0 / 3600).value()};
}

std::uint64_t key_of(std::uint64_t n) { return (n + 1) * 0x9E3779B97F4A7C15; }

std::uint32_t take_all(SharedBuckets& buckets, const SharedPolicy& policy, std::uint64_t n) {
  std::uint32_t count = 0;
  for (MonotonicTime last = now(); now() - last < milliseconds(200);) {
    const SharedDecision decision = buckets.take(key_of(n), fmt::format("user-{}", n), policy, now());
    if (decision.decision.allowed) {
      ++count;
      last = now();
    } else {
      std::this_thread::sleep_for(milliseconds(1));
    }
  }
  return count;
}

TEST_F(RedisCluster, BucketsLieOnAllServers) {
  SharedBuckets buckets(settings_);
  const SharedPolicy& policy = buckets.policy(hourly(10));
  for (std::uint64_t n = 0; n < 60; ++n) {
    EXPECT_TRUE(buckets.take(key_of(n), fmt::format("user-{}", n), policy, now()).decision.allowed);
  }
  EXPECT_TRUE(eventually([&] { return keys_in(0) + keys_in(1) + keys_in(2) == 61; }));  // and the list of gateways
  for (std::size_t i = 0; i < kNodes; ++i) EXPECT_GT(keys_in(i), 5u);
  EXPECT_EQ(buckets.stats().times_lost, 0u);
}

TEST_F(RedisCluster, ASlotThatMovesIsFollowed) {
  SharedBuckets buckets(settings_);
  const SharedPolicy& policy = buckets.policy(hourly(20));
  ASSERT_TRUE(buckets.take(key_of(0), "user-0", policy, now()).decision.allowed);
  std::string key;
  std::size_t from = 0;
  ASSERT_TRUE(eventually([&] {
    for (from = 0; from < kNodes; ++from) {
      key = nodes_[from]->command({"KEYS", "lotagate:limit:*"});
      if (key.starts_with("lotagate:limit:")) return true;
    }
    return false;
  }));
  const std::uint16_t slot = RedisStore::slot_of(key);
  EXPECT_EQ(node_of(slot), from);
  EXPECT_EQ(nodes_[from]->command({"CLUSTER", "KEYSLOT", key}), std::to_string(slot));
  const std::size_t to = (from + 1) % kNodes;
  const std::string number = std::to_string(slot);
  // On its way: the key is already there, so the old server answers ASK.
  ASSERT_EQ(nodes_[to]->command({"CLUSTER", "SETSLOT", number, "IMPORTING", id_of(from)}), "OK");
  ASSERT_EQ(nodes_[from]->command({"CLUSTER", "SETSLOT", number, "MIGRATING", id_of(to)}), "OK");
  ASSERT_EQ(nodes_[from]->command({"MIGRATE", "127.0.0.1", std::to_string(nodes_[to]->port()), key, "0", "5000"}),
            "OK");
  EXPECT_EQ(take_all(buckets, policy, 0), 19u);
  ASSERT_EQ(nodes_[to]->command({"CLUSTER", "COUNTKEYSINSLOT", number}), "1");
  // There: MOVED.
  for (const std::size_t node : {to, from, (to + 1) % kNodes}) {
    ASSERT_EQ(nodes_[node]->command({"CLUSTER", "SETSLOT", number, "NODE", id_of(to)}), "OK");
  }
  buckets.settle(key_of(0), policy, now(), -5);
  EXPECT_EQ(take_all(buckets, policy, 0), 5u);
  EXPECT_EQ(buckets.stats().times_lost, 0u);
}

TEST_F(RedisCluster, ALostServerIsTheTroubleOfItsKeys) {
  SharedBuckets buckets(settings_);
  const SharedPolicy& policy = buckets.policy(hourly(10));
  std::array<std::uint64_t, kNodes> user{};  // one of each server
  for (std::uint64_t n = 0; n < 30; ++n) {
    std::array<std::uint64_t, kNodes> before{};
    for (std::size_t i = 0; i < kNodes; ++i) before[i] = keys_in(i);
    buckets.take(key_of(n), fmt::format("user-{}", n), policy, now());
    ASSERT_TRUE(eventually([&] {
      for (std::size_t i = 0; i < kNodes; ++i) {
        if (keys_in(i) > before[i]) {
          user[i] = n;
          return true;
        }
      }
      return false;
    }));
  }
  const std::size_t home = node_of(RedisStore::slot_of("lotagate:gateways"));
  const std::size_t victim = (home + 1) % kNodes;
  nodes_[victim]->end(SIGKILL);
  EXPECT_TRUE(eventually([&] { return buckets.take(key_of(user[victim]), "lost", policy, now()).local; }));
  EXPECT_TRUE(buckets.stats().connected);
  EXPECT_FALSE(buckets.take(key_of(user[home]), "there", policy, now()).local);
  EXPECT_GT(take_all(buckets, policy, user[home]), 5u);
}

// Within a cluster it is the server's loss that tells; the store as a whole stays.
TEST_F(RedisCluster, ACopyThatLagsBehindIsToldWhatIsRemembered) {
  SharedBuckets buckets(settings_);
  const SharedPolicy& policy = buckets.policy(hourly(20));
  // A bucket that lies elsewhere than the list of gateways, so that the store as a whole stays.
  const std::size_t home = (node_of(RedisStore::slot_of("lotagate:gateways")) + 1) % kNodes;
  const auto bucket_at_home = [&] {
    const std::string found = nodes_[home]->command({"KEYS", "lotagate:limit:*"});
    return found.starts_with("lotagate:") ? found : std::string();
  };
  std::uint64_t user = 0;
  for (; bucket_at_home().empty(); ++user) {
    const std::uint64_t before = buckets.stats().calls_ok;
    ASSERT_TRUE(buckets.take(key_of(user), fmt::format("user-{}", user), policy, now()).decision.allowed);
    ASSERT_TRUE(eventually([&] { return buckets.stats().calls_ok > before + 2 && buckets.stats().tokens_owed == 0; }));
  }
  --user;
  const std::string key = bucket_at_home(), earlier = nodes_[home]->command({"GET", key});
  EXPECT_EQ(take_all(buckets, policy, user), 19u);
  // All is charged: the bucket is full again 19 intervals later than after the first.
  const std::uint64_t charged = std::stoull(earlier) + 19 * (policy.bucket.interval_ns / 1000);
  ASSERT_TRUE(eventually([&] { return std::stoull(nodes_[home]->command({"GET", key})) >= charged; }));
  nodes_[home]->command({"SET", key, earlier});
  nodes_[home]->suspend();
  const std::uint64_t before = buckets.stats().calls_timed_out;
  buckets.settle(key_of(user), policy, now(), 1);
  ASSERT_TRUE(eventually([&] { return buckets.stats().calls_timed_out > before; }));
  EXPECT_EQ(buckets.stats().times_lost, 0u);
  nodes_[home]->resume();
  ASSERT_TRUE(
      eventually([&] { return !buckets.take(key_of(user), fmt::format("user-{}", user), policy, now()).local; }));
  EXPECT_EQ(take_all(buckets, policy, user), 0u);
}

}  // namespace
}  // namespace lotagate::limit
