// A connection to what is no Redis, or none that means well.
#include "limit/redis_connection.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "limit/shared_buckets.h"
#include "limit/test_fake_redis.h"

namespace lotagate::limit {
namespace {

using testing::eventually;
using testing::FakeRedis;

StoreSettings settings_of(const FakeRedis& server) {
  StoreSettings settings;
  settings.servers = {server.address()};
  settings.memory_bytes = std::size_t{1} << 20;
  settings.probe_every = milliseconds(20);
  return settings;
}

// The error of one PING.
std::string error_of_ping(const FakeRedis& server) {
  auto connection = RedisConnection::connect(server.address(), settings_of(server));
  if (!connection) return connection.error();
  constexpr std::array<std::string_view, 1> kPing{"PING"};
  const RedisReply reply = (*connection)->command(kPing);
  EXPECT_EQ(static_cast<bool>(reply), !(*connection)->broken());
  return reply ? "" : (*connection)->error();
}

TEST(RedisConnection, AnAnswerThatDripsInTimesOut) {
  for (const auto& [begin, drip] : {std::pair{"$1000000\r\n", "x"}, {"+", "x"}, {"*1000\r\n", ":1\r\n"}}) {
    FakeRedis server([&](std::string_view) { return FakeRedis::Answer{.bytes = begin, .drip = drip}; });
    EXPECT_EQ(error_of_ping(server), "timed out") << begin;
  }
}

TEST(RedisConnection, AnAnswerWithoutAnEndIsNotKept) {
  for (const char* begin : {"$1000000000\r\n", "+"}) {
    FakeRedis server(
        [&](std::string_view) { return FakeRedis::Answer{.bytes = begin, .flood = std::string(1 << 16, 'x')}; });
    EXPECT_NE(error_of_ping(server), "") << begin;
    EXPECT_LT(server.sent(), std::size_t{32} << 20);
  }
}

TEST(RedisConnection, WhatIsNoAnswerBreaksIt) {
  for (const char* bytes :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "*2147483647\r\n", "*16385\r\n", "$-2\r\n", "$9223372036854775807\r\nx",
        ":99999999999999999999999\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "\r\n"}) {
    FakeRedis server([&](std::string_view) { return FakeRedis::Answer{.bytes = bytes}; });
    EXPECT_NE(error_of_ping(server), "") << bytes;
  }
}

TEST(RedisConnection, WhoRepeatsThePasswordIsNotRepeated) {
  FakeRedis server([&](std::string_view command) {
    const bool asks = command.contains("AUTH");
    return FakeRedis::Answer{.bytes = asks ? "-ERR unknown command AUTH hunter2\x1b[2J\r\n" : "+OK\r\n"};
  });
  StoreSettings settings = settings_of(server);
  settings.password = "hunter2";
  SharedBuckets buckets(settings);
  EXPECT_TRUE(eventually([&] { return !buckets.stats().last_error.empty(); }));
  EXPECT_EQ(buckets.stats().last_error.find("hunter2"), std::string::npos) << buckets.stats().last_error;
}

// A master, a server with slots, one that has moved: names from the network go into log lines.
TEST(RedisConnection, NamesThatAreNoneAreNotFollowed) {
  FakeRedis server([&](std::string_view command) {
    if (!command.contains("ROLE")) return FakeRedis::Answer{.bytes = "-ERR no cluster\r\n"};
    return FakeRedis::Answer{.bytes = "*3\r\n$5\r\nslave\r\n$9\r\nx\nforged\x1b\r\n:6379\r\n"};
  });
  SharedBuckets buckets(settings_of(server));
  EXPECT_TRUE(eventually([&] { return !buckets.stats().last_error.empty(); }));
  EXPECT_EQ(buckets.stats().last_error.find("forged"), std::string::npos) << buckets.stats().last_error;
}

TEST(RedisConnection, AStoreThatDripsIsAwayAndAGatewayEndsAllTheSame) {
  FakeRedis server([&](std::string_view) { return FakeRedis::Answer{.bytes = "$1000000\r\n", .drip = "x"}; });
  SharedBuckets buckets(settings_of(server));
  EXPECT_TRUE(eventually([&] { return buckets.stats().last_error.find("timed out") != std::string::npos; }));
  EXPECT_FALSE(buckets.stats().connected);
}

}  // namespace
}  // namespace lotagate::limit
