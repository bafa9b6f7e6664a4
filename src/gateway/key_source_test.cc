#include "gateway/key_source.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "gateway/test_key_source.h"

namespace lotagate {
namespace {

using std::chrono::hours;

// An issuer's server, whose answer a test changes while it runs.
class IssuerServer {
 public:
  explicit IssuerServer(std::optional<std::string> answer)
      : answer_(std::move(answer)), server_([this](const TestRequest& request) { return respond(request); }) {}
  TestHttpServer* operator->() { return &server_; }

  // Nothing: silent from now on.
  void set(std::optional<std::string> answer) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  config::Issuer issuer() { return issuer_at(server_.url("/jwks.json")); }

 private:
  std::optional<std::string> respond(const TestRequest& request) {
    std::lock_guard lock(mutex_);
    if (!answer_) return std::nullopt;
    auto etag = request.field("If-None-Match");
    if (!etag.empty() && answer_->find("ETag: " + etag + "\r\n") != std::string::npos) return test_answer(304, "");
    return answer_;
  }

  std::mutex mutex_;
  std::optional<std::string> answer_;
  TestHttpServer server_;
};

TEST(KeySource, HasKeysWhenStartReturns) {
  IssuerServer server(test_answer(200, jwks({"a", "b"})));
  server->up();
  Watched source({server.issuer()});
  EXPECT_FALSE(source->ready());
  source->start();
  EXPECT_TRUE(source->ready());
  EXPECT_EQ(source.published(), 1u);
  EXPECT_TRUE(source.has("a"));
  EXPECT_EQ(source->problems(), std::vector<std::string>{""});
  auto metrics = source->metrics().at(0);
  EXPECT_EQ(metrics.issuer, server.issuer().issuer);
  EXPECT_EQ(metrics.keys, 2u);
  EXPECT_EQ(metrics.fetches, 1u);
  EXPECT_EQ(metrics.fetch_failures, 0u);
  EXPECT_TRUE(metrics.key_set_age);
}

TEST(KeySource, PicksUpAnEndpointThatWasDownAtStart) {
  IssuerServer server(test_answer(200, jwks({"a"})));
  Watched source({server.issuer()});
  source->start();
  EXPECT_EQ(source.published(), 1u);
  EXPECT_EQ(source.keys().keys, nullptr);
  EXPECT_FALSE(source->ready());
  EXPECT_NE(source->problems().at(0), "");
  EXPECT_FALSE(source->metrics().at(0).key_set_age);
  ASSERT_TRUE(eventually([&] { return source->metrics().at(0).fetch_failures >= 3; }));
  EXPECT_EQ(source.lines_with("its tokens are refused"), 1u);

  server->up();
  ASSERT_TRUE(eventually([&] { return source.has("a"); }));
  EXPECT_TRUE(source->ready());
  EXPECT_EQ(source->problems().at(0), "");
  EXPECT_GT(source.keys().version, 0u);
  EXPECT_TRUE(eventually([&] { return source.lines_with("available again") == 1; }));
}

TEST(KeySource, ASilentIssuerDelaysNoOther) {
  IssuerServer silent(std::nullopt);
  IssuerServer server(test_answer(200, jwks({"a"})));
  silent->up();
  server->up();
  auto times = without_retries();
  times.fetch_timeout = milliseconds(300);
  Watched source({silent.issuer(), server.issuer()}, times);
  source->start();
  EXPECT_EQ(source.keys(0).keys, nullptr);
  EXPECT_TRUE(source.has("a", 1));
  EXPECT_FALSE(source->ready());
  EXPECT_EQ(source->problems().at(0), "no answer within 300 ms");
  EXPECT_EQ(source->problems().at(1), "");
}

TEST(KeySource, ABadAnswerKeepsTheLastGoodSet) {
  const auto good = test_answer(200, jwks({"a"}));
  const std::optional<std::string> bad[] = {
      test_answer(200, "{\"keys\":["),
      test_answer(200, "<html>"),
      test_answer(200, R"({"keys":[]})"),
      test_answer(200, R"({"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]})"),
      test_answer(200, jwks({"b", "b"})),
      test_answer(200, jwks({"b"}) + std::string(access::kMaxJwksBytes, ' ')),
      test_answer(204, ""),
      test_answer(304, ""),
      test_answer(503, jwks({"b"})),
      test_answer(302, jwks({"b"}), "Location: http://127.0.0.1:1/\r\n"),
      std::nullopt,
  };
  for (const auto& answer : bad) {
    IssuerServer server(good);
    server->up();
    auto times = without_retries();
    times.fetch_timeout = answer ? milliseconds(kTestPatience) : milliseconds(100);
    Watched source({server.issuer()}, times);
    source->start();
    auto before = source.keys();

    server.set(answer);
    source.refetch();
    EXPECT_NE(source->problems().at(0), "") << answer.value_or("silent");
    EXPECT_TRUE(source->ready());
    EXPECT_EQ(source->metrics().at(0).fetch_failures, 1u);
    EXPECT_TRUE(eventually([&] { return source.lines_with("the last good keys stay in use") == 1; }));

    server.set(good);
    source.refetch();
    EXPECT_EQ(source->problems().at(0), "");
    EXPECT_EQ(source.published(), 1u);
    EXPECT_EQ(source.keys().keys, before.keys);
  }
}

TEST(KeySource, ARemovedKeyIsGone) {
  IssuerServer server(test_answer(200, jwks({"old", "new"})));
  server->up();
  Watched source({server.issuer()});
  source->start();
  auto before = source.keys().version;
  server.set(test_answer(200, jwks({"new", "newer"})));
  source.refetch();
  ASSERT_TRUE(eventually([&] { return source.has("newer"); }));
  EXPECT_FALSE(source.has("old"));
  EXPECT_TRUE(source.has("new"));
  EXPECT_GT(source.keys().version, before);
}

TEST(KeySource, AsksConditionallyAndOnlyAChangeIsPublished) {
  IssuerServer server(test_answer(200, jwks({"a"}), "ETag: \"1\"\r\n"));
  server->up();
  Watched source({server.issuer()});
  source->start();
  source.refetch();
  EXPECT_EQ(server->requests().at(0).field("If-None-Match"), "");
  EXPECT_EQ(server->requests().at(1).field("If-None-Match"), "\"1\"");
  EXPECT_EQ(source->metrics().at(0).fetch_failures, 0u);

  server.set(test_answer(200, jwks({"a"}), "ETag: \"2\"\r\n"));  // another tag, the same document
  source.refetch();
  source.refetch();
  EXPECT_EQ(server->requests().at(3).field("If-None-Match"), "\"2\"");
  EXPECT_EQ(source.published(), 1u);

  server.set(test_answer(200, "nonsense", "ETag: \"3\"\r\n"));
  source.refetch();
  server.set(test_answer(200, jwks({"b"}), "ETag: \"3\"\r\n"));  // the tag of a refused document confirms nothing
  ASSERT_TRUE(eventually([&] { return source.has("b"); }));
  EXPECT_EQ(source.published(), 2u);
}

TEST(KeySource, RefetchesOncePerCooldown) {
  IssuerServer server(test_answer(200, jwks({"a"})));
  IssuerServer other(test_answer(200, jwks({"a"})));
  server->up();
  other->up();
  std::vector issuers{server.issuer(), other.issuer()};
  issuers[0].jwks.cooldown = hours(1);
  Watched source(issuers);
  source->start();
  source.refetch(0);
  EXPECT_EQ(server->requests().size(), 2u);

  for (std::uint64_t key = 100; key < 1100; ++key) source->request_refetch(0, key);
  source->request_refetch(7, 1);  // an issuer of another configuration
  source.refetch(1);              // the thread has been awake since
  EXPECT_EQ(server->requests().size(), 2u);
  EXPECT_EQ(other->requests().size(), 2u);
  auto metrics = source->metrics().at(0);
  EXPECT_EQ(metrics.unknown_keys, 1001u);
  EXPECT_EQ(metrics.refetches, 1u);
  EXPECT_EQ(metrics.refetches_suppressed, 999u) << "the first of the thousand waits for the end of the cool-down";
}

TEST(KeySource, K03_AKeyThatWasAskedForIsNoReasonToAskAgain) {
  IssuerServer server(test_answer(200, jwks({"a"})));
  server->up();
  auto issuer = server.issuer();
  issuer.jwks.cooldown = hours(1);
  Watched source({issuer});
  source->start();
  source->request_refetch(0, 42);
  ASSERT_TRUE(eventually([&] { return source->metrics().at(0).refetches == 1; }));
  auto suppressed = [&] { return source->metrics().at(0).refetches_suppressed; };
  source->request_refetch(0, 42);
  EXPECT_EQ(suppressed(), 1u);
  source->request_refetch(0, 43);
  EXPECT_EQ(suppressed(), 1u) << "another key waits for the end of the cool-down";
  source->request_refetch(0, 44);
  EXPECT_EQ(suppressed(), 2u) << "and others with it";
  EXPECT_EQ(source->metrics().at(0).unknown_keys, 4u);
}

TEST(KeySource, ARefetchWithinTheCooldownIsKept) {
  IssuerServer server(test_answer(200, jwks({"a"})));
  server->up();
  auto issuer = server.issuer();
  issuer.jwks.cooldown = milliseconds(100);
  Watched source({issuer});
  source->start();
  source.refetch();
  server.set(test_answer(200, jwks({"b"})));
  source->request_refetch(0, 1000);
  EXPECT_TRUE(eventually([&] { return source.has("b"); }));
}

TEST(KeySource, RefreshFollowsMaxAgeWithinItsBounds) {
  IssuerServer shorter(test_answer(200, jwks({"a"}), "Cache-Control: max-age=0\r\n"));
  IssuerServer longer(test_answer(200, jwks({"a"}), "Cache-Control: max-age=86400\r\n"));
  shorter->up();
  longer->up();
  auto issuers = std::vector{shorter.issuer(), longer.issuer()};
  issuers[1].jwks.refresh = seconds(1);
  Watched source(issuers);  // shortest_refresh is 1 s
  source->start();
  shorter.set(test_answer(200, jwks({"b"})));
  longer.set(test_answer(200, jwks({"b"})));
  EXPECT_TRUE(eventually([&] { return source.has("b", 0) && source.has("b", 1); }));
  EXPECT_EQ(shorter->requests().size(), 2u);
}

TEST(KeySource, KeysTooOldAreDroppedUntilTheIssuerIsBack) {
  IssuerServer server(test_answer(200, jwks({"a"}), "ETag: \"1\"\r\n"));
  server->up();
  auto issuer = server.issuer();
  issuer.jwks.refresh = seconds(1);
  issuer.jwks.max_stale = seconds(0);
  Watched source({issuer});
  source->start();
  auto first = source.keys().version;
  server->down();
  ASSERT_TRUE(eventually([&] { return source.keys().keys == nullptr; }));
  auto dropped = source.keys().version;
  EXPECT_GT(dropped, first);
  EXPECT_FALSE(source->ready());
  EXPECT_EQ(source->metrics().at(0).keys, 0u);

  server->up();
  ASSERT_TRUE(eventually([&] { return source.has("a"); }));
  EXPECT_GT(source.keys().version, dropped);
}

TEST(KeySource, FilesAreReadAgain) {
  std::string path = ::testing::TempDir() + "key_source_test_" + std::to_string(::getpid()) + ".json";
  auto write = [&](const std::string& text) { std::ofstream(path) << text; };
  write(jwks({"a"}));
  config::Issuer issuer{.issuer = "https://file.example", .audiences = {}, .algorithms = {}, .jwks = {}};
  issuer.jwks.file = path;
  Watched source({issuer});
  source->start();
  EXPECT_TRUE(source.has("a"));

  write("{");
  ASSERT_TRUE(eventually([&] { return !source->problems().at(0).empty(); }));
  EXPECT_TRUE(source.has("a"));
  write(jwks({"b"}));
  ASSERT_TRUE(eventually([&] { return source.has("b"); }));
  EXPECT_FALSE(source.has("a"));

  std::remove(path.c_str());
  ASSERT_TRUE(eventually([&] { return source->problems().at(0).find("No such file") != std::string::npos; }));
  EXPECT_TRUE(source.has("b"));
  EXPECT_TRUE(source->ready());
}

TEST(KeySource, ASuccessorKeepsTheKeysOfUnchangedIssuers) {
  IssuerServer kept(test_answer(200, jwks({"a"})));
  IssuerServer changed(test_answer(200, jwks({"b"})));
  IssuerServer moved(test_answer(200, jwks({"c"})));
  for (auto* server : {&kept, &changed, &moved}) (*server)->up();
  Watched old({changed.issuer(), kept.issuer()});
  old->start();
  auto moved_issuer = moved.issuer();
  moved_issuer.issuer = changed.issuer().issuer;

  Watched source({kept.issuer(), moved_issuer}, Watched::quick(), &*old);
  source->start();
  EXPECT_EQ(source.keys(0).keys, old.keys(1).keys);
  EXPECT_EQ(source.keys(0).version, old.keys(1).version);
  EXPECT_EQ(kept->requests().size(), 1u);
  EXPECT_TRUE(source.has("c", 1));
  EXPECT_FALSE(source.has("b", 1));
  EXPECT_GT(source.keys(1).version, std::max(old.keys(0).version, old.keys(1).version));
  EXPECT_EQ(source->metrics().at(0).fetches, 1u);

  old->request_refetch(0, 1);  // a worker that has not heard of the successor yet
  kept.set(test_answer(200, jwks({"d"})));
  source.refetch(0);
  EXPECT_TRUE(eventually([&] { return source.has("d", 0); }));
  EXPECT_EQ(changed->requests().size(), 1u);
  EXPECT_EQ(old.published(), 1u);
}

TEST(KeySource, KeysThatCannotBeUsedAreNamedInTheLog) {
  IssuerServer server(test_answer(200, R"({"keys":[{"kty":"what","kid":"a\nb"},)" + jwk("good") + "]}"));
  server->up();
  Watched source({server.issuer()});
  source->start();
  EXPECT_TRUE(source.has("good"));
  EXPECT_EQ(source.lines_with("key 'a\\u000ab' is not used"), 1u);
}

TEST(KeySource, StopsDuringAFetch) {
  IssuerServer server(test_answer(200, jwks({"a"})));
  server->up();
  auto times = Watched::quick();
  times.fetch_timeout = hours(1);
  Watched source({server.issuer()}, times);
  source->start();
  server.set(std::nullopt);
  source->request_refetch(0, 1);
  ASSERT_TRUE(server->wait_for_requests(2));
  source->stop();
  EXPECT_EQ(source->metrics().at(0).fetch_failures, 0u);  // what was aborted is no failure
}

}  // namespace
}  // namespace lotagate
