#include "gateway/changes_feed.h"

#include <gtest/gtest.h>

#include "access/access_answer.h"
#include "base/text.h"
#include "gateway/test_http_server.h"

namespace lotagate {
namespace {

using access::DirectoryState;

// The changes part of a User Management Service.
class UserService {
 public:
  UserService() : server_([this](const TestRequest& request) { return respond(request); }) {}
  ~UserService() { down(); }

  TestHttpServer* operator->() { return &server_; }

  void up() {
    {
      std::lock_guard lock(mutex_);
      closing_ = false;
    }
    server_.up();
  }
  void down() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    server_.down();
  }
  void change(const std::string& subject) {
    {
      std::lock_guard lock(mutex_);
      changes_.push_back(subject);
    }
    changed_.notify_all();
  }
  // As after the restore of an old backup.
  void forget_changes() {
    std::lock_guard lock(mutex_);
    changes_.clear();
  }
  // Given instead of the answer to the next request with `since`, also one that waits already.
  void answer_once(std::string bytes) {
    {
      std::lock_guard lock(mutex_);
      once_ = std::move(bytes);
    }
    changed_.notify_all();
  }
  // Given to every request.
  void answer_always(std::string bytes) {
    std::lock_guard lock(mutex_);
    always_ = std::move(bytes);
  }

  static constexpr std::size_t kFirstRevision = 100;

 private:
  std::optional<std::string> respond(const TestRequest& request) {
    std::unique_lock lock(mutex_);
    if (!always_.empty()) return always_;
    constexpr std::string_view kPath = "/base/internal/v1/changes";
    constexpr std::string_view kSince = "?since=";
    std::string_view target = request.target;
    if (!target.starts_with(kPath)) return test_answer(404, "");
    target.remove_prefix(kPath.size());
    if (target.empty()) return changes_from(changes_.size());
    auto since = target.starts_with(kSince) ? parse_decimal(target.substr(kSince.size())) : std::nullopt;
    if (!since || *since < kFirstRevision) return test_answer(400, "");
    auto known = *since - kFirstRevision;
    changed_.wait(lock, [&] { return closing_ || !once_.empty() || changes_.size() != known; });
    if (closing_) return std::nullopt;
    if (!once_.empty()) return std::exchange(once_, {});
    return changes_from(known);
  }

  std::string changes_from(std::size_t known) const {
    std::string revision = std::to_string(kFirstRevision + changes_.size());
    if (known > changes_.size()) return test_answer(200, "{\"revision\":" + revision + ",\"all\":true}");
    std::string subjects;
    for (std::size_t i = known; i < changes_.size(); ++i)
      subjects += (subjects.empty() ? "\"" : ",\"") + changes_[i] + '"';
    return test_answer(200, "{\"revision\":" + revision + ",\"subjects\":[" + subjects + "]}");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> changes_;
  std::string once_;
  std::string always_;
  bool closing_ = false;
  TestHttpServer server_;
};

class ChangesFeedTest : public ::testing::Test {
 protected:
  ChangesFeedOptions options() {
    ChangesFeedOptions options;
    options.service.url.text = service_->url("/base/");
    options.service.token = "service-secret";
    options.directory = directory_;
    options.key_directory = key_directory_;
    options.breaker = breaker_;
    options.log = [this](std::string_view line) {
      std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    options.times = {.poll_timeout = std::chrono::hours(1),
                     .retry_first = milliseconds(10),
                     .retry_last = milliseconds(40),
                     .shortest_poll = milliseconds(10)};
    return options;
  }

  // Stores users as if they had just been looked up.
  void know(std::initializer_list<std::string_view> subjects) {
    for (auto subject : subjects) know(*directory_, subject);
  }
  void know(access::RoleDirectory& directory, std::string_view key) {
    ASSERT_EQ(look_up(directory, key), DirectoryState::fetch);
    directory.complete(access::unknown_grant(key), now_);
  }
  bool knows(std::string_view subject) { return knows(*directory_, subject); }
  bool knows(access::RoleDirectory& directory, std::string_view key) {
    auto state = look_up(directory, key);
    if (state == DirectoryState::fetch) directory.fail(key, now_ - std::chrono::hours(1));
    return state == DirectoryState::fresh;
  }
  std::size_t lines_with(std::string_view text) {
    std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& line : lines_) count += line.find(text) != std::string::npos;
    return count;
  }

  static bool connected(ChangesFeed& feed) {
    return eventually([&] { return feed.connected(); });
  }
  static bool broken(ChangesFeed& feed) {
    return eventually([&] { return feed.stats().failures > 0 && !feed.connected(); });
  }

  UserService service_;
  std::shared_ptr<access::RoleDirectory> directory_ =
      std::make_shared<access::RoleDirectory>(access::RoleDirectorySettings{});
  std::shared_ptr<access::RoleDirectory> key_directory_ =
      std::make_shared<access::RoleDirectory>(access::RoleDirectorySettings{});

  std::shared_ptr<access::CircuitBreaker> breaker_ = std::make_shared<access::CircuitBreaker>();

 private:
  DirectoryState look_up(access::RoleDirectory& directory, std::string_view key) {
    return directory.find(key, now_, nullptr, [](const access::AccessGrant&) {});
  }

  MonotonicTime now_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST_F(ChangesFeedTest, LearnsTheRevisionThenWaitsForChanges) {
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(service_->wait_for_requests(2));
  EXPECT_TRUE(feed.connected());
  EXPECT_EQ(feed.revision(), 100u);
  auto requests = service_->requests();
  EXPECT_EQ(requests.at(0).target, "/base/internal/v1/changes");
  EXPECT_EQ(requests.at(1).target, "/base/internal/v1/changes?since=100");
  EXPECT_EQ(requests.at(1).field("Authorization"), "Bearer service-secret");
}

TEST_F(ChangesFeedTest, AChangeInvalidatesItsUserOnly) {
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  know({"ann", "bob", "cid"});
  service_.change("ann");
  service_.change("cid");
  ASSERT_TRUE(eventually([&] { return feed.stats().users_invalidated == 2; }));
  EXPECT_FALSE(knows("ann"));
  EXPECT_TRUE(knows("bob"));
  EXPECT_FALSE(knows("cid"));
  EXPECT_TRUE(eventually([&] { return feed.revision() == 102u; }));
}

TEST_F(ChangesFeedTest, AChangeOfAnApiKeyInvalidatesThatKeyOnly) {
  const std::string revoked(64, 'a');
  const std::string kept(64, 'b');
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  know(*key_directory_, revoked);
  know(*key_directory_, kept);
  know({"ann", revoked});
  service_.answer_once(test_answer(200, R"({"revision":100,"subjects":[],"api_keys":[")" + revoked + "\"]}"));
  ASSERT_TRUE(eventually([&] { return feed.stats().keys_invalidated == 1; }));
  EXPECT_FALSE(knows(*key_directory_, revoked));
  EXPECT_TRUE(knows("ann"));
  EXPECT_TRUE(knows(revoked)) << "users and keys are apart";
}

TEST_F(ChangesFeedTest, FirstContactInvalidatesWhatWasLookedUpBefore) {
  ChangesFeed feed(options());
  know({"ann"});
  service_.change("ann");  // nobody was told
  service_.up();
  ASSERT_TRUE(connected(feed));
  EXPECT_FALSE(knows("ann"));
  EXPECT_EQ(feed.stats().full_invalidations, 1u);
}

TEST_F(ChangesFeedTest, AnOutageKeepsEveryoneAndLosesNoChange) {
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  know({"ann", "bob"});
  service_.down();
  ASSERT_TRUE(broken(feed));
  ASSERT_TRUE(eventually([&] { return feed.stats().failures >= 3; }));
  EXPECT_TRUE(knows("ann"));
  EXPECT_NE(feed.stats().problem, "");
  EXPECT_EQ(feed.revision(), 100u);

  service_.change("ann");
  service_.up();
  ASSERT_TRUE(eventually([&] { return feed.stats().users_invalidated == 1; }));
  EXPECT_TRUE(feed.connected());
  EXPECT_FALSE(knows("ann"));
  EXPECT_TRUE(knows("bob"));
  EXPECT_EQ(feed.stats().full_invalidations, 1u);  // the first contact's
  EXPECT_EQ(lines_with("connected again at revision 100"), 1u);
}

TEST_F(ChangesFeedTest, U01_ContactAgainEndsThePauseOfTheBreaker) {
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  service_.down();
  ASSERT_TRUE(broken(feed));
  auto died = MonotonicTime(std::chrono::steady_clock::now()) + std::chrono::hours(1);
  while (auto permit = breaker_->begin(died)) breaker_->failed(*permit, died);
  service_.up();
  ASSERT_TRUE(connected(feed));
  EXPECT_TRUE(eventually([&] { return breaker_->begin(died).has_value(); })) << "the probe";
  EXPECT_FALSE(breaker_->begin(died));
}

TEST_F(ChangesFeedTest, ARevisionThatWentBackwardsInvalidatesAll) {
  service_.change("ann");
  service_.change("ann");
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  know({"ann", "bob"});
  service_.down();
  ASSERT_TRUE(broken(feed));
  service_.forget_changes();
  service_.up();
  ASSERT_TRUE(eventually([&] { return feed.stats().full_invalidations == 2; }));
  EXPECT_FALSE(knows("bob"));
  EXPECT_TRUE(eventually([&] { return feed.revision() == 100u; }));
}

TEST_F(ChangesFeedTest, AnAnswerThatGoesBackwardsInvalidatesAllWithoutSayingSo) {
  service_.change("ann");
  service_.change("bob");
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  know({"ann", "cid"});
  service_.answer_once(test_answer(200, R"({"revision":101,"subjects":[]})"));
  ASSERT_TRUE(eventually([&] { return feed.stats().full_invalidations == 2; }));
  EXPECT_FALSE(knows("cid"));
  EXPECT_TRUE(eventually([&] { return feed.revision() == 102u; }));
  EXPECT_EQ(feed.stats().full_invalidations, 2u);
}

TEST_F(ChangesFeedTest, AllInvalidatesAllAndTheFeedGoesOn) {
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  know({"ann"});
  know(*key_directory_, "some key");
  service_.answer_once(test_answer(200, R"({"revision":100,"all":true})"));
  ASSERT_TRUE(eventually([&] { return feed.stats().full_invalidations == 2; }));
  EXPECT_FALSE(knows("ann"));
  EXPECT_FALSE(knows(*key_directory_, "some key"));
  know({"ann", "bob"});
  service_.change("bob");
  ASSERT_TRUE(eventually([&] { return feed.stats().users_invalidated == 1; }));
  EXPECT_TRUE(knows("ann"));
}

TEST_F(ChangesFeedTest, WhatIsNotUnderstoodInvalidatesAllAndTheRevisionIsLearntAnew) {
  const std::string answers[] = {
      test_answer(200, "<html>"),
      test_answer(200, R"({"revision":101,"subjects":["a"],"restriction":1})"),
      test_answer(200, std::string(access::kMaxChangesAnswerBytes + 1, ' ')),
  };
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  std::size_t times = 1;
  for (const auto& answer : answers) {
    know({"ann"});
    service_.answer_once(answer);
    times += 2;  // at the answer and at the new first contact
    ASSERT_TRUE(eventually([&] { return feed.stats().full_invalidations == times && feed.connected(); })) << answer;
    EXPECT_FALSE(knows("ann"));
  }
  EXPECT_EQ(feed.stats().failures, std::size(answers));
}

TEST_F(ChangesFeedTest, ARefusedRevisionIsLearntAnew) {
  service_.up();
  ChangesFeed feed(options());
  ASSERT_TRUE(connected(feed));
  std::size_t times = 1;
  for (int status : {400, 410}) {
    service_.answer_once(test_answer(status, ""));
    ++times;
    ASSERT_TRUE(eventually([&] { return feed.stats().full_invalidations == times && feed.connected(); })) << status;
  }
}

TEST_F(ChangesFeedTest, ARefusedTokenKeepsEveryoneAndIsLoggedOnceWithoutIt) {
  service_.up();
  service_.answer_always(test_answer(401, ""));
  ChangesFeed feed(options());
  know({"ann"});
  ASSERT_TRUE(eventually([&] { return feed.stats().failures >= 3; }));
  EXPECT_FALSE(feed.connected());
  EXPECT_TRUE(knows("ann"));
  EXPECT_EQ(feed.stats().problem, "answered with status 401");
  EXPECT_EQ(lines_with("status 401"), 1u);
  EXPECT_EQ(lines_with("secret"), 0u);
}

TEST_F(ChangesFeedTest, AFeedThatReplacesAnotherGoesOnWithoutInvalidatingAll) {
  service_.change("ann");
  service_.change("bob");
  service_.up();
  know({"ann", "bob"});
  auto with_revision = options();
  with_revision.since = 101;  // knows about ann, not about bob
  ChangesFeed feed(with_revision);
  ASSERT_TRUE(eventually([&] { return feed.stats().users_invalidated == 1; }));
  EXPECT_TRUE(knows("ann"));
  EXPECT_FALSE(knows("bob"));
  EXPECT_EQ(feed.stats().full_invalidations, 0u);
}

TEST_F(ChangesFeedTest, AServiceThatDoesNotWaitIsNotAskedInALoop) {
  service_.up();
  service_.answer_always(test_answer(200, R"({"revision":100,"subjects":[]})"));
  auto patient = options();
  patient.times.shortest_poll = std::chrono::hours(1);
  {
    ChangesFeed feed(patient);
    ASSERT_TRUE(eventually([&] { return feed.stats().polls == 2; }));
  }
  EXPECT_EQ(service_->requests().size(), 2u);
}

TEST_F(ChangesFeedTest, StopsDuringALongPoll) {
  service_.up();
  auto feed = std::make_unique<ChangesFeed>(options());  // its polls take up to an hour
  ASSERT_TRUE(service_->wait_for_requests(2));
  feed.reset();
  EXPECT_EQ(lines_with("changes feed"), 0u);
}

}  // namespace
}  // namespace lotagate
