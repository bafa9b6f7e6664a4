// Key sets whose address the issuer's metadata names, and issuers whose keys come from nowhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "gateway/key_source.h"
#include "gateway/test_key_source.h"

namespace lotagate {
namespace {

using std::chrono::hours;

// An issuer with its metadata and one or more key sets, each at a path of its own.
class Provider {
 public:
  Provider() : server_([this](const TestRequest& request) { return respond(request); }) {
    set("/keys", test_answer(200, jwks({"a"})));
    name_keys("/keys");
    server_.up();
  }
  TestHttpServer* operator->() { return &server_; }

  void set(const std::string& path, std::optional<std::string> answer) {
    std::lock_guard lock(mutex_);
    answers_[path] = std::move(answer);
  }
  // The metadata says from now on that the keys are at `path`.
  void name_keys(const std::string& path) { set_metadata(name(), server_.url(path)); }
  void set_metadata(const std::string& issuer, const std::string& jwks_uri) {
    set(kPath, test_answer(200, R"({"issuer":")" + issuer + R"(","jwks_uri":")" + jwks_uri + "\"}"));
  }
  std::string name() const { return server_.url(); }
  config::Issuer issuer() const {
    auto issuer = issuer_at(server_.url());
    issuer.issuer = name();
    issuer.jwks.discovery =
        config::Url{.text = server_.url(kPath), .scheme = "http", .host = {}, .port = 0, .path = {}};
    issuer.jwks.url.reset();
    return issuer;
  }
  std::size_t asked(const std::string& path) {
    std::size_t count = 0;
    for (const auto& request : server_.requests()) count += request.target == path;
    return count;
  }

  static constexpr const char* kPath = "/.well-known/openid-configuration";

 private:
  std::optional<std::string> respond(const TestRequest& request) {
    std::lock_guard lock(mutex_);
    auto found = answers_.find(request.target);
    return found == answers_.end() ? test_answer(404, "") : found->second;
  }

  std::mutex mutex_;
  std::map<std::string, std::optional<std::string>> answers_;
  TestHttpServer server_;
};

TEST(KeySourceDiscovery, FindsTheKeys) {
  Provider provider;
  Watched source({provider.issuer()});
  source->start();
  EXPECT_TRUE(source.has("a"));
  EXPECT_TRUE(source->ready());
  EXPECT_EQ(source->problems().at(0), "");
  source.refetch();
  EXPECT_EQ(provider.asked(Provider::kPath), 1u) << "the metadata is not read for every key set";
  EXPECT_EQ(provider.asked("/keys"), 2u);
}

TEST(KeySourceDiscovery, RefusesMetadataThatIsNotTheIssuers) {
  Provider provider;
  const std::string good = provider->url("/keys");
  const std::optional<std::string> bad[] = {
      std::nullopt,
      test_answer(503, ""),
      test_answer(404, "<html>"),
      test_answer(200, "<html>"),
      test_answer(200, std::string(100'000, ' ')),
      test_answer(302, "", "Location: " + provider->url("/elsewhere") + "\r\n"),
      test_answer(200, R"({"issuer":"https://evil.example","jwks_uri":")" + good + "\"}"),
      test_answer(200, R"({"issuer":")" + provider.name() + R"(/","jwks_uri":")" + good + "\"}"),
      test_answer(200, R"({"issuer":")" + provider.name() + R"(","jwks_uri":"file:///etc/passwd"})"),
  };
  for (const auto& answer : bad) {
    provider.set(Provider::kPath, answer);
    auto times = without_retries();
    times.fetch_timeout = answer ? milliseconds(kTestPatience) : milliseconds(100);
    Watched source({provider.issuer()}, times);
    source->start();
    EXPECT_FALSE(source->ready());
    EXPECT_EQ(source.keys().keys, nullptr);
    EXPECT_TRUE(source->problems().at(0).starts_with("discovery: ")) << source->problems().at(0);
    EXPECT_EQ(source->metrics().at(0).fetch_failures, 1u);
    EXPECT_EQ(source->metrics().at(0).last_fetch_succeeded, false);
  }
  EXPECT_EQ(provider.asked("/keys"), 0u);
  EXPECT_EQ(provider.asked("/elsewhere"), 0u);
}

TEST(KeySourceDiscovery, LooksAgainWhenTheKeysAreGone) {
  Provider provider;
  Watched source({provider.issuer()});
  source->start();
  provider.set("/keys", test_answer(404, ""));
  provider.set("/new", test_answer(200, jwks({"b"})));
  provider.name_keys("/new");
  source->request_refetch(0, 1);
  ASSERT_TRUE(eventually([&] { return source.has("b"); }));
  EXPECT_FALSE(source.has("a"));
  EXPECT_EQ(source->problems().at(0), "");
}

TEST(KeySourceDiscovery, FollowsTheKeysAtLeisure) {
  Provider provider;
  provider.set("/keys", test_answer(200, jwks({"a"}), "ETag: \"1\"\r\n"));
  provider.set("/new", test_answer(200, jwks({"b"}), "ETag: \"1\"\r\n"));
  auto issuer = provider.issuer();
  issuer.jwks.refresh = seconds(1);
  auto times = Watched::quick();
  times.metadata_refresh = milliseconds(1);  // no less than `refresh`
  Watched source({issuer}, times);
  source->start();
  provider.name_keys("/new");
  ASSERT_TRUE(eventually([&] { return source.has("b"); }));
  auto requests = provider->requests();
  auto first = std::ranges::find(requests, "/new", &TestRequest::target);
  ASSERT_NE(first, requests.end());
  EXPECT_EQ(first->field("If-None-Match"), "") << "the tag belongs to another address";
}

// Both addresses may well use the same tag: a 304 for the old one's would keep keys that are gone.
TEST(KeySourceDiscovery, K01_ANewAddressThatFailsAtFirstIsNotShownTheOldTagLater) {
  Provider provider;
  provider.set("/keys", test_answer(200, jwks({"a"}), "ETag: \"1\"\r\n"));
  Watched source({provider.issuer()});
  source->start();
  provider.set("/keys", test_answer(503, ""));
  provider.set("/new", test_answer(503, ""));
  provider.name_keys("/new");
  source->request_refetch(0, 1);
  ASSERT_TRUE(eventually([&] { return provider.asked("/new") >= 2; }));
  provider.set("/new", test_answer(200, jwks({"b"}), "ETag: \"1\"\r\n"));
  ASSERT_TRUE(eventually([&] { return source.has("b"); }));
  EXPECT_FALSE(source.has("a"));
  for (const auto& request : provider->requests()) {
    if (request.target == "/new") EXPECT_EQ(request.field("If-None-Match"), "");
  }
}

TEST(KeySourceDiscovery, TheLastGoodAddressStaysInUseForAWhile) {
  Provider provider;
  auto issuer = provider.issuer();
  issuer.jwks.refresh = seconds(1);
  issuer.jwks.max_stale = seconds(1);
  auto times = Watched::quick();
  times.metadata_refresh = milliseconds(1);
  Watched source({issuer}, times);
  source->start();
  provider.set_metadata("https://evil.example", provider->url("/evil"));
  ASSERT_TRUE(eventually([&] { return !source->problems().at(0).empty(); }));
  EXPECT_EQ(source->problems().at(0), "discovery: unusable: its `issuer` is another one");
  EXPECT_TRUE(source.has("a"));
  EXPECT_EQ(source.lines_with("the keys are fetched from where they were"), 1u);
  // `refresh` of the metadata, then `refresh` and `max_stale`: no key of an address that the issuer does not confirm.
  ASSERT_TRUE(eventually([&] { return source.keys().keys == nullptr; }));
  EXPECT_FALSE(source->ready());
  EXPECT_EQ(provider.asked("/evil"), 0u);

  provider.name_keys("/keys");
  ASSERT_TRUE(eventually([&] { return source.has("a"); }));
}

TEST(KeySourceDiscovery, ASuccessorKeepsTheAddress) {
  Provider provider;
  Watched old({provider.issuer()});
  old->start();
  Watched source({provider.issuer()}, Watched::quick(), &*old);
  source->start();
  EXPECT_EQ(source.keys().version, old.keys().version);
  source.refetch();
  EXPECT_EQ(provider.asked(Provider::kPath), 1u);

  auto moved = provider.issuer();  // the same document under another address is another source
  moved.jwks.discovery->text += "?x";
  Watched other({moved}, without_retries(), &*source);
  other->start();
  EXPECT_EQ(other.keys().keys, nullptr);
}

TEST(KeySourceConstant, NothingIsFetched) {
  Provider provider;
  config::Issuer local{.issuer = "https://local.example", .audiences = {}, .algorithms = {}, .jwks = {}};
  auto keys = std::make_shared<const access::KeySet>(*access::parse_jwks(jwks({"local"})));
  auto constant = [keys](const config::Issuer& issuer) {
    return issuer.issuer == "https://local.example" ? keys : nullptr;
  };
  Watched source({local, provider.issuer()}, Watched::quick(), nullptr, constant);
  EXPECT_FALSE(source->ready());
  source->start();
  EXPECT_TRUE(source->ready());
  EXPECT_TRUE(source.has("local", 0));
  EXPECT_TRUE(source.has("a", 1));
  source->request_refetch(0, 1);
  source.refetch(1);
  auto metrics = source->metrics().at(0);
  EXPECT_EQ(metrics.fetches, 0u);
  EXPECT_EQ(metrics.keys, 1u);
  EXPECT_FALSE(metrics.key_set_age);
  EXPECT_FALSE(metrics.last_fetch_succeeded);

  Watched next({local, provider.issuer()}, Watched::quick(), &*source, constant);
  next->start();
  EXPECT_GT(next.keys(0).version, source.keys(0).version) << "the secret may be another one";
  EXPECT_EQ(next.keys(1).version, source.keys(1).version);
}

}  // namespace
}  // namespace lotagate
