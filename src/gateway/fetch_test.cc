#include "gateway/fetch.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "gateway/test_http_server.h"

namespace lotagate {
namespace {

FetchOptions request_to(const std::string& url) { return {.url = url, .max_bytes = 1000}; }

// A server that always sends the same bytes.
class Server {
 public:
  explicit Server(std::optional<std::string> answer) : server_([answer](const TestRequest&) { return answer; }) {
    server_.up();
  }
  TestHttpServer& operator*() { return server_; }
  TestHttpServer* operator->() { return &server_; }

 private:
  TestHttpServer server_;
};

TEST(Fetch, ReturnsWhatCame) {
  Server server(test_answer(200, "hello", "ETag: \"a b\"\r\nCache-Control: public, Max-Age=77\r\n"));
  Fetcher fetcher;
  auto answer = fetcher.get(request_to(server->url("/keys?x=1")));
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_EQ(answer->etag, "\"a b\"");
  EXPECT_EQ(answer->max_age, seconds(77));
  EXPECT_EQ(server->requests().at(0).target, "/keys?x=1");
}

TEST(Fetch, SendsTokenAndEntityTag) {
  Server server(test_answer(304, ""));
  Fetcher fetcher;
  auto options = request_to(server->url("/"));
  EXPECT_EQ(fetcher.get(options)->status, 304);
  options.bearer_token = "secret";
  options.if_none_match = "W/\"1\"";
  EXPECT_EQ(fetcher.get(options)->status, 304);
  auto requests = server->requests();
  EXPECT_EQ(requests.at(0).field("Authorization"), "");
  EXPECT_EQ(requests.at(0).field("If-None-Match"), "");
  EXPECT_EQ(requests.at(1).field("Authorization"), "Bearer secret");
  EXPECT_EQ(requests.at(1).field("If-None-Match"), "W/\"1\"");
  EXPECT_EQ(requests.at(1).field("Accept-Encoding"), "");  // a compressed body could be a bomb
}

TEST(Fetch, AnErrorStatusIsAnAnswer) {
  Server server(test_answer(503, "no"));
  Fetcher fetcher;
  auto answer = fetcher.get(request_to(server->url("/")));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
}

TEST(Fetch, ReadsMaxAge) {
  struct Case {
    std::string_view field;
    std::optional<seconds> max_age;
  };
  const Case cases[] = {
      {"", std::nullopt},
      {"Cache-Control: public\r\n", std::nullopt},
      {"Cache-Control: max-age=0\r\n", seconds(0)},
      {"Cache-Control: max-age=60, no-cache\r\n", seconds(0)},
      {"Cache-Control: no-store, max-age=60\r\n", seconds(0)},
      {"Cache-Control: public\r\nCache-Control: max-age=5\r\n", seconds(5)},
      {"Cache-Control: max-age=-5\r\n", std::nullopt},
      {"Cache-Control: max-age=99999999999999999999\r\n", std::nullopt},
      {"Cache-Control: max-age=9999999999999\r\n", seconds(365 * 24 * 3600)},
      {"Cache-Control: max-age=60\r\nAge: 20\r\n", seconds(40)},
      {"Age: 20\r\nCache-Control: max-age=10\r\n", seconds(0)},
      {"Cache-Control: max-age=60\r\nAge: 99999999999999999999\r\n", seconds(60)},
      {"Cache-Control: max-age=60\r\nAge: 20\r\nAge: 30\r\n", seconds(60)},
      {"Age: 20\r\n", std::nullopt},
  };
  for (const auto& c : cases) {
    Server server(test_answer(200, "", c.field));
    Fetcher fetcher;
    auto answer = fetcher.get(request_to(server->url("/")));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->max_age, c.max_age) << c.field;
  }
}

TEST(Fetch, RefusesRedirects) {
  for (int status : {301, 302, 303, 307, 308}) {
    Server target(test_answer(200, "other"));
    Server server(test_answer(status, "", "Location: " + target->url("/") + "\r\n"));
    Fetcher fetcher;
    auto answer = fetcher.get(request_to(server->url("/")));
    ASSERT_FALSE(answer) << status;
    EXPECT_EQ(answer.error().failure, FetchFailure::no_answer);
    EXPECT_TRUE(target->requests().empty());
  }
}

TEST(Fetch, BoundsTheBody) {
  std::string most(1000, 'x');
  std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + most + "x\r\n0\r\n\r\n";
  std::string until_close = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + most + "x";
  std::string in_many_reads = test_answer(200, std::string(200'000, 'x'));
  for (const auto& bytes : {test_answer(200, most + "x"), chunked, until_close, in_many_reads}) {
    Server server(bytes);
    Fetcher fetcher;
    auto answer = fetcher.get(request_to(server->url("/")));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().failure, FetchFailure::too_large);
  }
  Server server(test_answer(200, most));
  Fetcher fetcher;
  EXPECT_EQ(fetcher.get(request_to(server->url("/")))->body, most);
}

TEST(Fetch, RefusesBrokenAnswers) {
  const std::string broken[] = {
      test_answer(200, "", "X: " + std::string(40'000, 'x') + "\r\n"),  // a large head
      "hello\r\n\r\n",                                                  // HTTP/0.9
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: x\r\n\r\nhello",
  };
  for (const auto& bytes : broken) {
    Server server(bytes);
    Fetcher fetcher;
    auto answer = fetcher.get(request_to(server->url("/")));
    ASSERT_FALSE(answer) << bytes;
    EXPECT_EQ(answer.error().failure, FetchFailure::no_answer);
    EXPECT_FALSE(answer.error().text.empty());
  }
}

TEST(Fetch, TimesOut) {
  Server silent(std::nullopt);
  Server trickling("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
  Fetcher fetcher;
  for (auto* server : {&silent, &trickling}) {
    auto options = request_to((*server)->url("/"));
    options.timeout = milliseconds(50);
    auto answer = fetcher.get(options);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().failure, FetchFailure::no_answer);
    EXPECT_EQ(answer.error().text, "no answer within 50 ms");
  }
}

TEST(Fetch, RefusesWhatItMayNotAskFor) {
  Server server(test_answer(200, "hello"));
  std::string address = server->url().substr(7);
  Fetcher fetcher;
  for (const auto& url : {"ftp://" + address, std::string("file:///etc/hostname"), address, std::string(),
                          "http://user:secret@" + address + "/", std::string("http://")}) {
    auto answer = fetcher.get(request_to(url));
    ASSERT_FALSE(answer) << url;
    EXPECT_EQ(answer.error().text.find("secret"), std::string::npos);
  }
  auto options = request_to(server->url("/"));
  options.bearer_token = "secret\r\nX-Other: 1";
  EXPECT_FALSE(fetcher.get(options));
  options = request_to(server->url("/"));
  options.if_none_match = "\"a\nb\"";
  EXPECT_FALSE(fetcher.get(options));
  EXPECT_TRUE(server->requests().empty());
}

TEST(Fetch, IgnoresProxiesOfTheEnvironment) {
  Server server(test_answer(200, "hello"));
  Server proxy(test_answer(200, "proxy"));
  ::setenv("http_proxy", proxy->url().c_str(), 1);
  ::setenv("ALL_PROXY", proxy->url().c_str(), 1);
  Fetcher fetcher;
  auto answer = fetcher.get(request_to(server->url("/")));
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "hello");
}

TEST(Fetch, AFailureSaysWhere) {
  TestHttpServer server([](const TestRequest&) { return std::nullopt; });
  Fetcher fetcher;
  auto answer = fetcher.get(request_to(server.url("/secret")));
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().text.find("127.0.0.1"), std::string::npos) << answer.error().text;
  EXPECT_EQ(answer.error().text.find("secret"), std::string::npos);
}

TEST(Fetch, VerifiesCertificates) {
  if (std::system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "needs the openssl command";
  std::string base = ::testing::TempDir() + "fetch_test_" + std::to_string(::getpid());
  std::string files = " -keyout " + base + ".key -out " + base + ".crt";
  std::string make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost";
  ASSERT_EQ(std::system((make + " -addext subjectAltName=IP:127.0.0.1" + files + " 2>/dev/null").c_str()), 0);
  // Answers one connection with a page; the time limit ends it should nobody come.
  std::string serve = "timeout 30 openssl s_server -accept 127.0.0.1:0 -naccept 1 -www";
  std::FILE* server = ::popen((serve + " -cert " + base + ".crt -key " + base + ".key 2>/dev/null").c_str(), "r");
  ASSERT_NE(server, nullptr);
  std::string url;
  char line[256];
  while (url.empty() && std::fgets(line, sizeof line, server) != nullptr) {
    std::string_view text = line;
    if (text.starts_with("ACCEPT ")) url = "https://" + std::string(text.substr(7, text.find('\n') - 7)) + "/";
  }
  ASSERT_NE(url, "");
  Fetcher fetcher;
  auto answer = fetcher.get(request_to(url));
  ::pclose(server);
  for (const char* suffix : {".key", ".crt"}) std::remove((base + suffix).c_str());
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().text.find("certificate"), std::string::npos) << answer.error().text;
}

TEST(Fetch, GetsAllAtTheSameTime) {
  // Each answers only after both were asked: one after the other would time out.
  std::mutex mutex;
  std::condition_variable asked;
  int count = 0;
  auto handler = [&](const TestRequest& request) -> std::optional<std::string> {
    std::unique_lock lock(mutex);
    ++count;
    asked.notify_all();
    if (!asked.wait_for(lock, kTestPatience, [&] { return count >= 2; })) return std::nullopt;
    return test_answer(200, request.target);
  };
  TestHttpServer a(handler);
  TestHttpServer b(handler);
  TestHttpServer down(handler);
  a.up();
  b.up();
  Fetcher fetcher;
  std::vector<FetchOptions> requests;
  for (const auto& url : {a.url("/a"), down.url("/"), std::string("nonsense"), b.url("/b")}) {
    requests.push_back({.url = url, .timeout = kTestPatience, .max_bytes = 100});
  }
  auto results = fetcher.get_all(requests);
  ASSERT_EQ(results.size(), 4u);
  ASSERT_TRUE(results[0]);
  ASSERT_TRUE(results[3]);
  EXPECT_EQ(results[0]->body, "/a");
  EXPECT_FALSE(results[1]);
  EXPECT_FALSE(results[2]);
  EXPECT_EQ(results[3]->body, "/b");
}

TEST(Fetch, SurvivesAKeptConnectionThatDied) {
  TestHttpServer server([](const TestRequest&) { return test_answer(200, "hello"); });
  Fetcher fetcher;
  for (int i = 0; i < 3; ++i) {
    server.up();
    EXPECT_TRUE(fetcher.get(request_to(server.url("/"))));
    EXPECT_TRUE(fetcher.get(request_to(server.url("/"))));
    server.down();
  }
  EXPECT_FALSE(fetcher.get(request_to(server.url("/"))));
}

TEST(Fetch, AbortEndsWhatRunsAndWhatComes) {
  Server silent(std::nullopt);
  Fetcher fetcher;
  std::thread other([&] {
    EXPECT_TRUE(silent->wait_for_requests(1));
    fetcher.abort();
  });
  auto options = request_to(silent->url("/"));
  options.timeout = std::chrono::hours(1);
  auto answer = fetcher.get(options);
  other.join();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().failure, FetchFailure::aborted);

  answer = fetcher.get(options);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().failure, FetchFailure::aborted);
  EXPECT_EQ(silent->requests().size(), 1u);
}

}  // namespace
}  // namespace lotagate
