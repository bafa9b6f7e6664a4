#include "access/role_directory.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace lotagate::access {
namespace {

using enum DirectoryState;

StoredGrant grant_of(std::uint64_t revision, std::string_view subject = "u") {
  return StoredGrant(subject, {.subject = subject, .permissions = TextList("models:read"), .revision = revision});
}

struct CountingWaiter : DirectoryWaiter {
  CountingWaiter() {
    notify = [](DirectoryWaiter* waiter) noexcept { ++static_cast<CountingWaiter*>(waiter)->notified; };
  }
  int notified = 0;
};

class RoleDirectoryTest : public ::testing::Test {
 protected:
  static RoleDirectorySettings settings() {
    return {.fresh_for = milliseconds(5000), .stale_for = milliseconds(60000), .retry_after = milliseconds(500)};
  }

  MonotonicTime at(std::int64_t time_ms) const { return MonotonicTime(milliseconds(time_ms)); }

  DirectoryState find(std::int64_t time_ms, DirectoryWaiter* waiter = nullptr, std::string_view subject = "u") {
    revision_ = 0;
    return directory_.find(subject, at(time_ms), waiter, [&](const AccessGrant& grant) { revision_ = grant.revision; });
  }
  void store(std::int64_t time_ms, std::uint64_t revision) {
    ASSERT_EQ(find(time_ms), fetch);
    directory_.complete(grant_of(revision), at(time_ms));
  }

  RoleDirectory directory_{settings()};
  std::uint64_t revision_ = 0;  // of the grant that the last find visited; 0: none
};

TEST_F(RoleDirectoryTest, OneCallerFetchesAndTheOthersWait) {
  CountingWaiter first, second, third;
  EXPECT_EQ(find(0, &first), fetch);
  EXPECT_EQ(find(0, &second), wait);
  EXPECT_EQ(find(1, &third), wait);
  EXPECT_EQ(find(1, nullptr, "another"), fetch) << "users are apart";
  directory_.complete(grant_of(7), at(10));
  for (auto* waiter : {&first, &second, &third}) EXPECT_EQ(waiter->notified, 1);
  EXPECT_EQ(find(10), fresh);
  EXPECT_EQ(revision_, 7u);
  directory_.fail("another", at(10));
}

TEST_F(RoleDirectoryTest, FreshThenStaleThenGone) {
  store(0, 7);
  EXPECT_EQ(find(4999), fresh);
  EXPECT_EQ(find(5000), stale_refresh);
  EXPECT_EQ(revision_, 7u);
  EXPECT_EQ(find(5001), stale) << "one refresh at a time";
  EXPECT_EQ(revision_, 7u);
  directory_.complete(grant_of(8), at(5010));
  EXPECT_EQ(find(5010), fresh);
  EXPECT_EQ(revision_, 8u);
  EXPECT_EQ(find(5010 + 64999), stale_refresh);
  directory_.fail("u", at(5010 + 64999));
  EXPECT_EQ(find(5010 + 65000), unavailable) << "too old, and the refresh just failed";
  EXPECT_EQ(revision_, 0u);
  EXPECT_EQ(find(5010 + 65499), fetch);
  directory_.fail("u", at(71000));
}

TEST_F(RoleDirectoryTest, AFailedRefreshLeavesTheStaleAnswerAndPauses) {
  store(0, 7);
  EXPECT_EQ(find(6000), stale_refresh);
  directory_.fail("u", at(6000));
  EXPECT_EQ(find(6499), stale);
  EXPECT_EQ(revision_, 7u);
  EXPECT_EQ(find(6500), stale_refresh);
  directory_.fail("u", at(6500));
}

TEST_F(RoleDirectoryTest, AFailedFetchIsUnavailableForAMoment) {
  CountingWaiter waiter, second;
  EXPECT_EQ(find(0, &waiter), fetch);
  EXPECT_EQ(find(0, &second), wait);
  directory_.fail("u", at(100));
  EXPECT_EQ(waiter.notified, 1);
  EXPECT_EQ(second.notified, 1);
  EXPECT_EQ(find(100, &waiter), unavailable);
  EXPECT_EQ(find(599, &waiter), unavailable);
  EXPECT_EQ(find(600, &waiter), fetch);
  EXPECT_EQ(waiter.notified, 1) << "not queued while unavailable";
  directory_.complete(grant_of(1), at(600));
  EXPECT_EQ(waiter.notified, 2);
}

TEST_F(RoleDirectoryTest, AnUnknownUserIsAnAnswerToo) {
  EXPECT_EQ(find(0), fetch);
  directory_.complete(unknown_grant("u"), at(0));
  bool visited_unknown = false;
  EXPECT_EQ(directory_.find("u", at(1), nullptr, [&](const AccessGrant& grant) { visited_unknown = grant.unknown; }),
            fresh);
  EXPECT_TRUE(visited_unknown);
}

TEST_F(RoleDirectoryTest, U03_AnInvalidatedAnswerIsNeitherFreshNorStale) {
  store(0, 7);
  directory_.invalidate("u");
  EXPECT_EQ(find(1), fetch);
  EXPECT_EQ(revision_, 0u);
  directory_.fail("u", at(2));
  EXPECT_EQ(find(3), unavailable) << "a revoked role does not come back because the service is down";
  directory_.invalidate("u");
  EXPECT_EQ(find(4), fetch) << "a change was announced, so the service is back";
  directory_.complete(grant_of(8), at(5));
  directory_.invalidate("nobody");
}

TEST_F(RoleDirectoryTest, U03_AnAnswerAskedForBeforeAChangeDoesNotCount) {
  CountingWaiter waiter;
  EXPECT_EQ(find(0, &waiter), fetch);
  directory_.invalidate("u");
  EXPECT_EQ(find(1), wait);
  directory_.complete(grant_of(7), at(2));
  EXPECT_EQ(waiter.notified, 1);
  EXPECT_EQ(find(3, &waiter), fetch) << "the waiter looks again and fetches anew";
  directory_.complete(grant_of(8), at(4));
  EXPECT_EQ(find(5), fresh);
  EXPECT_EQ(revision_, 8u);
  EXPECT_EQ(directory_.stats().superseded, 1u);
}

TEST_F(RoleDirectoryTest, U03_ARefreshBegunBeforeAChangeDoesNotCountEither) {
  store(0, 7);
  EXPECT_EQ(find(6000), stale_refresh);
  directory_.invalidate("u");
  EXPECT_EQ(find(6001), wait) << "no stale answer any more";
  directory_.complete(grant_of(7), at(6002));
  EXPECT_EQ(find(6003), fetch);
  directory_.complete(grant_of(8), at(6004));
}

TEST_F(RoleDirectoryTest, InvalidatingAllReachesWhatIsStoredAndWhatIsUnderWay) {
  store(0, 7);
  EXPECT_EQ(find(0, nullptr, "other"), fetch);
  directory_.invalidate_all();
  EXPECT_EQ(find(1), fetch);
  directory_.complete(grant_of(1, "other"), at(1));
  EXPECT_EQ(directory_.stats().superseded, 1u);
  EXPECT_EQ(find(2, nullptr, "other"), fetch);
  directory_.complete(grant_of(2, "other"), at(3));
  directory_.complete(grant_of(8), at(3));
  EXPECT_EQ(find(4), fresh);
  EXPECT_EQ(find(4, nullptr, "other"), fresh);
}

TEST_F(RoleDirectoryTest, TimeThatGoesBackBetweenWorkersIsFresh) {
  store(1000, 7);
  EXPECT_EQ(find(999), fresh);
}

TEST(RoleDirectory, WaitersOfOneUserAreBounded) {
  RoleDirectory directory({.max_waiters = 2});
  CountingWaiter first, second, third;
  auto ignore = [](const AccessGrant&) {};
  EXPECT_EQ(directory.find("u", {}, &first, ignore), fetch);
  EXPECT_EQ(directory.find("u", {}, &second, ignore), wait);
  EXPECT_EQ(directory.find("u", {}, &third, ignore), unavailable);
  directory.complete(grant_of(1), {});
  EXPECT_EQ(first.notified + second.notified, 2);
  EXPECT_EQ(third.notified, 0);
}

TEST(RoleDirectory, EntriesAreBoundedAndBusyOnesStay) {
  RoleDirectory directory({.max_entries = 640});
  auto ignore = [](const AccessGrant&) {};
  EXPECT_EQ(directory.find("busy", {}, nullptr, ignore), fetch);
  directory.complete(grant_of(1, "busy"), {});
  for (int i = 0; i < 20000; ++i) {
    std::string subject = "user-" + std::to_string(i);
    ASSERT_EQ(directory.find(subject, {}, nullptr, ignore), fetch);
    directory.complete(grant_of(1, subject), {});
    ASSERT_EQ(directory.find("busy", {}, nullptr, ignore), fresh) << i;
  }
  auto stats = directory.stats();
  EXPECT_LE(stats.entries, 640u);
  EXPECT_GT(stats.entries, 600u);
  EXPECT_EQ(stats.entries + stats.evictions, 20001u);
}

TEST(RoleDirectory, LookupsUnderWayAreNeverEvicted) {
  RoleDirectory directory({.max_entries = 64});  // one per stripe
  auto ignore = [](const AccessGrant&) {};
  std::vector<std::string> fetching;
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string subject = "user-" + std::to_string(i);
    auto state = directory.find(subject, {}, nullptr, ignore);
    if (state == fetch) fetching.push_back(subject);
    refused += state == unavailable;
  }
  EXPECT_LE(fetching.size(), 64u);
  EXPECT_EQ(fetching.size() + static_cast<std::size_t>(refused), 1000u);
  for (const auto& subject : fetching) directory.complete(grant_of(1, subject), {});
  EXPECT_EQ(directory.find("user-999999", {}, nullptr, ignore), fetch);
  directory.fail("user-999999", {});
}

TEST_F(RoleDirectoryTest, AnUnknownUserIsForgottenSoonAndNeverServedStale) {
  ASSERT_EQ(find(0), fetch);
  directory_.complete(unknown_grant("u"), at(0));
  EXPECT_EQ(find(4999), fresh);
  EXPECT_EQ(find(5000), fetch) << "somebody may have created the user";
  directory_.fail("u", at(5001));
  EXPECT_EQ(find(5002), unavailable) << "not known any more to be unknown";

  RoleDirectory patient({.fresh_for = std::chrono::hours(1)});
  auto ignore = [](const AccessGrant&) {};
  ASSERT_EQ(patient.find("u", at(0), nullptr, ignore), fetch);
  patient.complete(unknown_grant("u"), at(0));
  EXPECT_EQ(patient.find("u", at(5000), nullptr, ignore), fetch) << "however long others are kept";
  patient.complete(grant_of(1), at(5000));
  EXPECT_EQ(patient.find("u", at(3600000), nullptr, ignore), fresh);
}

TEST(RoleDirectory, LookupsUnderWayAreBounded) {
  RoleDirectory directory({.fresh_for = milliseconds(10), .max_lookups = 2});
  auto find = [&](std::string_view subject, std::int64_t time_ms) {
    return directory.find(subject, MonotonicTime(milliseconds(time_ms)), nullptr, [](const AccessGrant&) {});
  };
  ASSERT_EQ(find("u", 0), fetch);
  directory.complete(grant_of(1), MonotonicTime());
  ASSERT_EQ(find("a", 0), fetch);
  ASSERT_EQ(find("b", 0), fetch);
  EXPECT_EQ(find("c", 0), unavailable);
  EXPECT_EQ(find("u", 10), stale) << "what is there serves on";
  EXPECT_EQ(directory.stats().lookups_under_way, 2u);
  directory.fail("a", {}, LookupFailure::not_asked);
  EXPECT_EQ(find("u", 10), stale_refresh);
  EXPECT_EQ(find("c", 10), unavailable);
  directory.fail("u", {});
  EXPECT_EQ(find("c", 10), fetch) << "refused without having been asked: nothing to pause for";
  directory.complete(grant_of(1, "b"), {});
  directory.complete(grant_of(1, "c"), {});
  EXPECT_EQ(directory.stats().lookups_under_way, 0u);
}

class DirectoryBreakerTest : public RoleDirectoryTest {
 protected:
  DirectoryState find(RoleDirectory& directory, std::string_view subject, std::int64_t time_ms) {
    return directory.find(subject, at(time_ms), nullptr, [](const AccessGrant&) {});
  }

  std::shared_ptr<CircuitBreaker> breaker_ = std::make_shared<CircuitBreaker>(
      CircuitBreakerSettings{.failures = 3, .first_pause = milliseconds(1000), .last_pause = milliseconds(1000)});
  RoleDirectory users_{settings(), breaker_};
  RoleDirectory keys_{settings(), breaker_};
};

TEST_F(DirectoryBreakerTest, U01_ADeadServiceIsNotAskedAndItsReturnIsNoticed) {
  ASSERT_EQ(find(users_, "kept", 0), fetch);
  users_.complete(grant_of(1, "kept"), at(0));
  for (auto subject : {"a", "b", "c"}) {
    ASSERT_EQ(find(users_, subject, 6000), fetch);
    users_.fail(subject, at(6000));
  }
  EXPECT_EQ(find(users_, "d", 6000), unavailable) << "never asked about, and not now";
  EXPECT_EQ(find(keys_, "some key", 6000), unavailable) << "the same service";
  EXPECT_EQ(find(users_, "kept", 6000), stale);
  EXPECT_EQ(breaker_->stats().state, CircuitBreakerStats::State::open);

  EXPECT_EQ(find(users_, "kept", 7000), stale_refresh) << "the probe";
  EXPECT_EQ(find(users_, "kept", 7000), stale);
  EXPECT_EQ(find(users_, "d", 7000), unavailable);
  users_.complete(grant_of(2, "kept"), at(7001));
  EXPECT_EQ(find(users_, "d", 7001), fetch);
  EXPECT_EQ(find(keys_, "some key", 7001), fetch);
  users_.complete(grant_of(1, "d"), at(7001));
  keys_.complete(unknown_grant("some key"), at(7001));
}

TEST_F(DirectoryBreakerTest, U02_AnswersThatAreNotUnderstoodConcernOneUser) {
  for (int i = 0; i < 10; ++i) {
    std::string subject = "odd-" + std::to_string(i);
    ASSERT_EQ(find(users_, subject, i), fetch);
    users_.fail(subject, at(i), LookupFailure::answer);
    EXPECT_EQ(find(users_, subject, i), unavailable);
  }
  EXPECT_EQ(breaker_->stats().state, CircuitBreakerStats::State::closed);
}

TEST_F(DirectoryBreakerTest, ALookupThatWasNotMadeSaysNothing) {
  for (int i = 0; i < 10; ++i) {
    std::string subject = "u-" + std::to_string(i);
    ASSERT_EQ(find(users_, subject, i), fetch);
    users_.fail(subject, at(i), LookupFailure::not_asked);
  }
  EXPECT_EQ(breaker_->stats().state, CircuitBreakerStats::State::closed);
}

}  // namespace
}  // namespace lotagate::access
