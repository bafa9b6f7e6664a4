// The script as it is, in a real redis-server.
#include "limit/lease_script.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "limit/redis_store.h"
#include "limit/test_redis.h"

namespace lotagate::limit {
namespace {

using testing::RedisServer;

constexpr std::uint64_t kHourUs = 3'600'000'000;

class LeaseScript : public ::testing::Test {
 protected:
  LeaseScript() : store_(settings()) { EXPECT_TRUE(store_.open({})); }

  StoreSettings settings() {
    StoreSettings wanted;
    wanted.servers = {server_.address()};
    wanted.timeout = milliseconds(2000);
    return wanted;
  }
  LeaseCall call() { return {.policy = &policy_, .need = 1, .seen = last_.full_at, .gateways = 4}; }
  LeaseAnswer run(const LeaseCall& call) {
    std::vector<StoreRequest> request(1);
    request[0].script = &lease_script();
    request[0].key = "bucket";
    request[0].arguments = lease_arguments(call);
    EXPECT_TRUE(store_.run(request, {}));
    EXPECT_EQ(request[0].outcome, StoreRequest::Outcome::answered) << request[0].reply.text();
    last_ = parse_lease_answer(request[0].reply).value_or(LeaseAnswer{});
    return last_;
  }
  LeaseAnswer lease(std::uint32_t want, std::uint32_t need = 1, std::uint32_t gateways = 4) {
    LeaseCall wanted = call();
    wanted.want = want;
    wanted.need = need;
    wanted.gateways = gateways;
    return run(wanted);
  }
  LeaseAnswer charge(std::uint32_t tokens) {
    LeaseCall wanted = call();
    wanted.charge = tokens;
    return run(wanted);
  }
  std::uint64_t server_time_us() {
    auto connection = RedisConnection::connect(server_.address(), settings());
    constexpr std::array<std::string_view, 1> kTime{"TIME"};
    const RedisReply reply = (*connection)->command(kTime);
    return std::stoull(std::string(reply.at(0).text())) * 1'000'000 + std::stoull(std::string(reply.at(1).text()));
  }

  // Tokens of an hour each.
  SharedPolicy policy_{.name = "p", .bucket = make_bucket_policy(100, 1.0 / 3600).value(), .most_debt = 10};
  RedisServer server_;
  RedisStore store_;
  LeaseAnswer last_;
};

TEST_F(LeaseScript, GrantsAShareToOneOfManyAndHalfToOneThatIsAlone) {
  EXPECT_EQ(lease(100).grant, 25u);      // nothing known: a share of 100
  EXPECT_EQ(lease(100).grant, 38u);      // alone: half of 75
  EXPECT_EQ(lease(5).grant, 5u);         // no more than wanted
  last_.full_at = 1;                     // somebody else
  EXPECT_EQ(lease(100).grant, 8u);       // a share of 32
  EXPECT_EQ(lease(100, 20).grant, 20u);  // what a request needs
  EXPECT_EQ(lease(100, 5).grant, 0u);    // all or nothing: 4 are left
  EXPECT_NEAR(static_cast<double>(last_.wait_us), kHourUs, 10e6);
  EXPECT_EQ(lease(100, 1, 1).grant, 2u);
  EXPECT_EQ(lease(100, 1, 1).grant, 1u);
  EXPECT_EQ(lease(100, 1, 1).grant, 1u);
  EXPECT_EQ(lease(100, 1, 1).grant, 0u);
}

TEST_F(LeaseScript, NoKeyIsAFullBucketAndTheKeyEndsWhenItIsFull) {
  lease(3, 3);
  EXPECT_NEAR(std::stod(server_.command({"PTTL", "bucket"})), 3 * kHourUs / 1000.0, 10e3);
  LeaseCall back = call();
  back.give_back = 3;
  back.alone = true;
  EXPECT_EQ(run(back).missing_us, 0u);
  EXPECT_EQ(server_.command({"EXISTS", "bucket"}), "0");
}

TEST_F(LeaseScript, AReturnIsWorthItsAgeLessUnlessNobodyElseWasServed) {
  lease(10, 10);
  const std::uint64_t full = last_.missing_us;
  LeaseCall back = call();
  back.give_back = 1;
  back.fee_us = kHourUs / 2;
  back.alone = true;
  const std::uint64_t after = run(back).missing_us;
  EXPECT_NEAR(static_cast<double>(full - after), kHourUs, 10e6);
  back = call();
  back.give_back = 1;
  back.fee_us = kHourUs / 2;
  EXPECT_NEAR(static_cast<double>(after - run(back).missing_us), kHourUs / 2.0, 10e6);
  back = call();
  back.give_back = 1;
  back.fee_us = kHourUs * 2;
  const std::uint64_t before = last_.missing_us;
  EXPECT_NEAR(static_cast<double>(before - run(back).missing_us), 0, 10e6);
}

TEST_F(LeaseScript, ChargesGoBelowEmptyButNotForEver) {
  EXPECT_NEAR(static_cast<double>(charge(130).missing_us), 130.0 * kHourUs, 10e6);
  EXPECT_EQ(lease(1).grant, 0u);
  EXPECT_NEAR(static_cast<double>(last_.wait_us), 31.0 * kHourUs, 10e6);
  EXPECT_NEAR(static_cast<double>(charge(4'000'000'000).missing_us), 210.0 * kHourUs, 10e6);  // 2 windows and the debt
}

TEST_F(LeaseScript, AClockThatJumpedBackLeavesAnEmptyBucketAtWorst) {
  server_.command({"SET", "bucket", std::to_string(server_time_us() + 1000 * kHourUs)});
  EXPECT_NEAR(static_cast<double>(charge(0).missing_us), 100.0 * kHourUs, 10e6);
  server_.command({"SET", "bucket", "1"});  // and one that jumped forward: full, not more
  EXPECT_EQ(charge(0).missing_us, 0u);
  EXPECT_EQ(lease(1000, 100).grant, 100u);
  EXPECT_EQ(lease(1000, 1).grant, 0u);
}

TEST_F(LeaseScript, WhatAGatewayRemembersCountsWhereNothingIsStored) {
  LeaseCall remembered = call();
  remembered.known_missing_us = 40 * kHourUs;
  EXPECT_NEAR(static_cast<double>(run(remembered).missing_us), 40.0 * kHourUs, 10e6);
  remembered.known_missing_us = 60 * kHourUs;  // what is stored counts, ...
  EXPECT_NEAR(static_cast<double>(run(remembered).missing_us), 40.0 * kHourUs, 10e6);
  remembered.moved = true;  // ... but not that of another server
  EXPECT_NEAR(static_cast<double>(run(remembered).missing_us), 60.0 * kHourUs, 10e6);
  server_.command({"DEL", "bucket"});
  remembered.known_missing_us = UINT64_MAX / 4;
  EXPECT_NEAR(static_cast<double>(run(remembered).missing_us), 210.0 * kHourUs, 10e6);
}

TEST_F(LeaseScript, RoundingNeverGivesMore) {
  // 3 a second: an interval of 333333.333 us. Three takes at a time cannot outrun the clock.
  policy_.bucket = make_bucket_policy(3, 3).value();
  const std::uint64_t start = server_time_us();
  std::uint64_t granted = 0;
  while (server_time_us() < start + 2'000'000) granted += lease(1).grant;
  const double time = static_cast<double>(server_time_us() - start) / 1e6;
  EXPECT_LE(static_cast<double>(granted), 3 + 3 * time);
  EXPECT_GE(granted, 3 + 5u);
}

TEST_F(LeaseScript, HugeAndTinyPoliciesKeepTheirArithmetic) {
  policy_.bucket = {.interval_ns = kMaxWindowNs / 4, .window_ns = kMaxWindowNs, .burst = 4};
  policy_.most_debt = UINT64_MAX;
  EXPECT_EQ(lease(10, 4).grant, 4u);
  EXPECT_EQ(lease(10, 1).grant, 0u);
  EXPECT_GT(charge(4'000'000'000).missing_us, 0u);
  server_.command({"DEL", "bucket"});
  policy_.bucket = make_bucket_policy(UINT32_MAX, 1'000'000).value();
  EXPECT_EQ(lease(UINT32_MAX, UINT32_MAX).grant, UINT32_MAX);
}

TEST_F(LeaseScript, GatewaysAreCountedWhileTheyAreSeen) {
  const auto beat = [&](std::string_view name, bool leave) {
    std::vector<StoreRequest> request(1);
    request[0].script = &gateways_script();
    request[0].key = gateways_key("lotagate");
    request[0].arguments = gateways_arguments(name, milliseconds(200), leave);
    EXPECT_TRUE(store_.run(request, {}));
    return request[0].reply.integer();
  };
  EXPECT_EQ(beat("a", false), 1);
  EXPECT_EQ(beat("b", false), 2);
  EXPECT_EQ(beat("a", false), 2);
  EXPECT_EQ(beat("b", true), 1);
  EXPECT_EQ(beat("c", false), 2);
  server_.command({"ZADD", "lotagate:gateways", "99999999999999999", "from-the-future"});
  EXPECT_LE(beat("c", false), 2);
  EXPECT_TRUE(testing::eventually([&] { return beat("c", false) == 1; }));
}

}  // namespace
}  // namespace lotagate::limit
