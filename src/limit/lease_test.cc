#include "limit/lease.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace lotagate::limit {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 3600 * kSecond;
constexpr std::uint64_t kLife = kSecond;

// A lease of 100 tokens that refill 1 a second, one of four gateways.
class LeaseTest : public ::testing::Test {
 protected:
  LeaseTest() { lease_.policy = &policy_; }

  bool take(std::uint32_t cost = 1) { return lease_take(lease_, view_, now_, cost).decision.allowed; }
  std::uint32_t take_all() {
    std::uint32_t count = 0;
    while (count < 1000 && take()) ++count;
    return count;
  }
  LeaseCall begin(bool release = false) { return lease_begin(lease_, 1, view_, now_, release); }
  // The store's answer: so many tokens granted, so many missing afterwards.
  void answer(const LeaseCall& call, std::uint32_t grant, std::uint32_t missing, bool alone = true) {
    lease_answered(
        lease_, call,
        {.grant = grant, .wait_us = 5'000'000, .missing_us = missing * 1'000'000ull, .full_at = 7, .alone = alone},
        view_, now_);
  }

  SharedPolicy policy_{.name = "p", .bucket = make_bucket_policy(100, 1).value()};
  LeaseView view_{.up = true, .gateways = 4, .connection = 1, .life_ns = kLife};
  std::uint64_t now_ = kStart;
  Lease lease_{};
};

TEST_F(LeaseTest, AnUnknownBucketGivesItsShareOnCreditWhichIsCharged) {
  EXPECT_EQ(take_all(), 25u);
  EXPECT_EQ(lease_.owed, 25u);
  const LeaseCall call = begin();
  EXPECT_EQ(call.charge, 25u);
  EXPECT_EQ(take_all(), 0u);  // not twice
  answer(call, 0, 25);
  EXPECT_EQ(take_all(), 18u);  // a share of 75
}

TEST_F(LeaseTest, ALoneGatewayNeedsNoLease) {
  view_.gateways = 1;
  EXPECT_EQ(take_all(), 100u);
  const LeaseCall call = begin();
  EXPECT_EQ(call.charge, 100u);
  answer(call, 0, 100);
  EXPECT_EQ(take_all(), 0u);
  now_ += kSecond;
  EXPECT_EQ(take_all(), 1u);
}

TEST_F(LeaseTest, ATokenThatCameInIsThereForWhoWaitedAsTold) {
  answer(begin(), 0, 100);
  const SharedDecision refused = lease_take(lease_, view_, now_, 1);
  EXPECT_FALSE(refused.decision.allowed);
  EXPECT_EQ(refused.decision.remaining, 0u);
  EXPECT_EQ(refused.decision.retry_after, seconds(1));
  EXPECT_EQ(refused.decision.reset, seconds(100));
  now_ += kSecond;
  EXPECT_TRUE(take());
  EXPECT_FALSE(take());
}

TEST_F(LeaseTest, LeasesAreSpentBeforeCreditAndNotPastTheirLife) {
  LeaseCall call = begin();
  call.want = 10;
  answer(call, 10, 99);
  EXPECT_EQ(take_all(), 11u);
  EXPECT_EQ(lease_.owed, 1u);
  call = begin();
  call.want = 10;
  answer(call, 10, 100);
  now_ += kLife;
  EXPECT_TRUE(take());
  now_ += 1;
  EXPECT_EQ(lease_.fresh_tokens, 9u);
  EXPECT_TRUE(take());  // the token that came in meanwhile
  EXPECT_FALSE(take());
  EXPECT_EQ(lease_.fresh_tokens, 9u);
  EXPECT_LE(lease_due_ns(lease_, view_, now_), now_);
  const LeaseCall back = begin();
  EXPECT_EQ(back.give_back, 9u);
  EXPECT_EQ(back.fee_us, 1'000'001u);
  EXPECT_TRUE(back.alone);
  EXPECT_EQ(lease_.fresh_tokens, 0u);
}

TEST_F(LeaseTest, TwoGrantsAgeEachForItself) {
  LeaseCall call = begin();
  call.want = 5;
  answer(call, 5, 100);
  now_ += kLife / 2;
  call = begin();
  call.want = 5;
  answer(call, 5, 100, false);
  EXPECT_FALSE(lease_.alone);
  now_ += kLife / 2 + 1;
  const LeaseCall back = begin();
  EXPECT_EQ(back.give_back, 5u);
  EXPECT_FALSE(back.alone);
  EXPECT_EQ(lease_.old_tokens + lease_.fresh_tokens, 5u);
}

TEST_F(LeaseTest, WhatIsAskedForFollowsTheDemand) {
  answer(begin(), 0, 0);
  now_ += 10'000'000;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(take());
  EXPECT_LE(lease_due_ns(lease_, view_, now_), now_);
  LeaseCall call = begin();
  EXPECT_EQ(call.want, 20u);
  EXPECT_EQ(call.charge, 10u);
  answer(call, 20, 30);
  EXPECT_EQ(lease_due_ns(lease_, view_, now_), kNotDue);
  now_ += 10 * kSecond;  // and then hardly any: the credit will do
  EXPECT_TRUE(take());
  call = begin();
  EXPECT_EQ(call.want, 0u);
  EXPECT_EQ(call.give_back, 20u);
}

TEST_F(LeaseTest, ARefusedRequestSaysWhatItNeeds) {
  answer(begin(), 0, 20);
  EXPECT_FALSE(take(60));
  now_ += kAskEveryNs;
  const LeaseCall call = begin();
  EXPECT_EQ(call.need, 60u);
  EXPECT_GE(call.want, 60u);
  answer(call, 60, 80);
  EXPECT_TRUE(take(60));
  EXPECT_FALSE(take(101));
}

TEST_F(LeaseTest, AnEmptyBucketIsAskedOnceMoreAndNotForEver) {
  answer(begin(), 0, 100);
  EXPECT_FALSE(take());
  now_ += kAskEveryNs;
  answer(begin(), 0, 100);
  const std::uint64_t due = lease_due_ns(lease_, view_, now_);
  EXPECT_EQ(due, now_ + kLongestWaitNs);  // others give back; and no later than that
  EXPECT_FALSE(take());
  EXPECT_EQ(lease_due_ns(lease_, view_, now_), due);
  now_ = due;
  answer(begin(), 0, 100);
  now_ += kLongestWaitNs;
  answer(begin(), 0, 100);  // nobody had asked
  EXPECT_EQ(lease_due_ns(lease_, view_, now_), kNotDue);
}

TEST_F(LeaseTest, TheShareStandsInWhileTheStoreIsAwayAndIsPaidFor) {
  LeaseCall call = begin();
  call.want = 5;
  answer(call, 5, 60);
  view_.up = false;
  EXPECT_EQ(take_all(), 5 + 10u);  // in hand, and a quarter of the 40 that were left
  EXPECT_TRUE(lease_.local);
  now_ += 8 * kSecond;
  EXPECT_EQ(take_all(), 2u);  // a quarter of the rate
  now_ += 4 * kSecond;
  view_.up = true;
  lease_.need = 0;
  call = begin();
  EXPECT_EQ(call.charge, 12u);  // all of them: what has been refilled here was missing before
  EXPECT_EQ(call.give_back, 0u);
  now_ += 1000 * kSecond;
}

TEST_F(LeaseTest, WhatWasRefilledDuringAnOutageIsNotCharged) {
  view_.up = false;
  EXPECT_EQ(take_all(), 25u);
  now_ += 80 * kSecond;
  view_.up = true;
  EXPECT_EQ(begin().charge, 5u);
}

// It started without a store, so as the only one, and then the store counts four.
TEST_F(LeaseTest, WhatWasSpentAwayIsChargedHoweverManyGatewaysThereAreAfterwards) {
  view_.up = false;
  view_.gateways = 1;
  EXPECT_EQ(take_all(), 100u);
  view_.up = true;
  view_.gateways = 4;
  EXPECT_EQ(begin().charge, 100u);
}

// Another number while the bucket is cut off, in a store that answers about others.
TEST_F(LeaseTest, ANumberOfGatewaysThatChangesMeanwhileGivesNothingAway) {
  view_.up = false;
  view_.gateways = 1;
  EXPECT_EQ(take_all(), 100u);
  view_.gateways = 4;
  EXPECT_EQ(take_all(), 0u);
  view_.gateways = 1;
  EXPECT_EQ(take_all(), 0u);
  view_.up = true;
  EXPECT_EQ(begin().charge, 100u);
}

TEST_F(LeaseTest, NoMoreIsBelievedThanWasAskedFor) {
  answer(begin(), 0, 0);
  EXPECT_EQ(take_all(), 25u);
  const LeaseCall call = begin();
  ASSERT_GT(call.want, 0u);
  lease_answered(lease_, call,
                 {.grant = UINT32_MAX, .wait_us = UINT64_MAX, .missing_us = UINT64_MAX, .full_at = 7, .alone = true},
                 view_, now_);
  EXPECT_EQ(lease_.fresh_tokens, call.want);
  EXPECT_LE(lease_.full_at_ns, now_ + 200 * kSecond + 1000);
}

TEST_F(LeaseTest, ALostAnswerIsChargedAgainAndWhatWasGivenBackForgotten) {
  EXPECT_EQ(take_all(), 25u);
  lease_failed(lease_, begin(), true, true);
  EXPECT_EQ(lease_.owed, 25u);
  EXPECT_TRUE(lease_.broken);
  EXPECT_FALSE(take());
  lease_settle(lease_, view_, now_, -30);
  EXPECT_EQ(lease_.owed, 0u);
}

TEST_F(LeaseTest, SettlingPaysFromTheHandThenOnCredit) {
  LeaseCall call = begin();
  call.want = 5;
  answer(call, 5, 60);
  lease_settle(lease_, view_, now_, 8);
  EXPECT_EQ(lease_.owed, 3u);
  EXPECT_EQ(lease_.fresh_tokens, 0u);
  lease_settle(lease_, view_, now_, -10);
  EXPECT_EQ(lease_.owed, 0u);
  call = begin();
  EXPECT_EQ(call.give_back, 7u);
  EXPECT_EQ(call.fee_us, 0u);
  lease_failed(lease_, call, false, false);
  EXPECT_EQ(lease_.refund, 7u);  // it did not happen
}

TEST_F(LeaseTest, HugeAmountsDoNotOverflow) {
  policy_.bucket = {.interval_ns = kMaxWindowNs / 4, .window_ns = kMaxWindowNs, .burst = 4};
  policy_.most_debt = UINT64_MAX;
  view_.gateways = 100'000;
  view_.up = false;
  EXPECT_EQ(take_all(), 1u);
  lease_settle(lease_, view_, now_, INT64_MAX);
  EXPECT_FALSE(take());
  lease_settle(lease_, view_, now_, INT64_MIN + 1);
  view_.up = true;
  answer(begin(), 0, UINT32_MAX);
  EXPECT_FALSE(take());
  const SharedDecision refused = lease_take(lease_, view_, now_, UINT32_MAX);
  EXPECT_GT(refused.decision.retry_after, nanoseconds(0));
}

}  // namespace
}  // namespace lotagate::limit
