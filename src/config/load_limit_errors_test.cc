// What is wrong with rate limits, what is dangerous in them, and what the operator is told.
#include <gtest/gtest.h>

#include <string>

#include "config/test_load_errors.h"

namespace lotagate::config {
namespace {

class LimitErrors : public LoadErrors {
 protected:
  static constexpr std::string_view kLimit = "{ key: user, tokens: 100, refill: 50/s }";

  // The one limit of the good file, on its line 19 at column 13.
  Messages limit(std::string_view text) { return errors({{kLimit, text}}); }
  Messages limit_warnings(std::string_view text) { return warnings({{kLimit, text}}); }
  Messages key(std::string_view text) { return limit("{ key: " + std::string(text) + ", tokens: 1, refill: 1/s }"); }
  Messages key_warnings(std::string_view text) {
    return limit_warnings("{ key: " + std::string(text) + ", tokens: 1, refill: 1/s }");
  }
};

constexpr std::string_view kParts =
    "expected one of user, tenant, address, api_key, route, service, { header: NAME }, { claim: NAME }, found ";

TEST_F(LimitErrors, Keys) {
  EXPECT_EQ(key("users"), Messages{"19:20 " + std::string(kParts) + "`users`; did you mean `user`?"});
  EXPECT_EQ(key("header"), Messages{"19:20 " + std::string(kParts) + "`header`"});
  EXPECT_EQ(key("[ user, [ route ] ]"), Messages{"19:28 " + std::string(kParts) + "a list"});
  EXPECT_EQ(key("~"), Messages{"19:15 " + std::string(kParts) + "nothing"});
  EXPECT_EQ(key("[]"), Messages{"19:20 expected a list of parts with at least one entry, found none"});
  EXPECT_EQ(key("[ user, tenant, address, api_key, route, service, { claim: a }, { claim: b }, { claim: c } ]"),
            Messages{"19:20 expected a list of parts with at most 8 entries, found 9"});
  EXPECT_EQ(key("[ user, tenant, address, api_key, route, service, { claim: a }, { claim: b } ]"), Messages{});
  EXPECT_EQ(key("[ user, route, user ]"), Messages{"19:35 `user` is repeated"});
  EXPECT_EQ(key("[ { claim: a.b }, { claim: a.b } ]"), Messages{"19:38 the claim `a.b` is repeated"});
  EXPECT_EQ(key("[ { header: X-Team }, { header: x-team, from: anyone } ]"),
            Messages{"19:42 the header `x-team` is repeated"});
  EXPECT_EQ(key("{ header: X-Team, claim: a }"), Messages{"19:20 a part that is a map has either `header` or `claim`"});
  EXPECT_EQ(key("{ from: anyone }"), Messages{"19:20 a part that is a map has either `header` or `claim`"});
  EXPECT_EQ(key("{ claim: a, from: anyone }"), Messages{"19:32 `from` goes with `header`"});
  EXPECT_EQ(key("{ claim: a b }"),
            Messages{"19:29 `a b` is not a claim: the name of a member, or names joined by dots"});
  EXPECT_EQ(key("{ header: X Team }"), Messages{"19:30 `X Team` is not a header's name"});
  EXPECT_EQ(key("{ header: [ X-Team ] }"), Messages{"19:30 expected a header's name, found a list"});
  EXPECT_EQ(key("{ header: X-Team, from: proxies }"),
            Messages{"19:44 expected one of trusted_proxies, anyone, found `proxies`"});
  EXPECT_EQ(key("{ header: X-Team, form: anyone }"), Messages{"19:38 unknown key `form`; did you mean `from`?"});
}

// R08: what authenticates is no name of a bucket, and what the gateway itself writes is not what clients said.
TEST_F(LimitErrors, HeadersThatNoKeyCanBe) {
  for (const char* name : {"Authorization", "cookie", "X-API-Key", "Proxy-Authorization", "Set-Cookie"}) {
    EXPECT_TRUE(key(std::string("{ header: ") + name + " }").at(0).contains("cannot be a key: it carries")) << name;
  }
  for (const char* name : {"X-Request-Id", "X-Forwarded-For", "Forwarded", "X-Auth-Subject", "X-Real-IP", "Via"}) {
    EXPECT_EQ(key(std::string("{ header: ") + name + " }"),
              Messages{std::string("19:30 `") + name + "` cannot be a key: the gateway sets it itself"});
  }
  for (const char* name : {"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Upgrade"}) {
    EXPECT_TRUE(key(std::string("{ header: ") + name + " }").at(0).contains("it belongs to one connection")) << name;
  }
  EXPECT_EQ(key("{ header: Host }"), Messages{"19:30 `Host` cannot be a key: it names the service, not the client; "
                                              "`route` and `service` can be parts"});
  // An alias that applications may fold into a name of the gateway's.
  EXPECT_EQ(key("{ header: x_auth_subject }"),
            Messages{"19:30 `x_auth_subject` cannot be a key: the gateway sets it itself"});
  EXPECT_EQ(errors({{"  clock_skew: 30s\n", "  api_keys: { header: X-Machine }\n"},
                    {kLimit, "{ key: { header: x-machine }, tokens: 1, refill: 1/s }"}}),
            Messages{"19:30 `x-machine` cannot be a key: it carries API keys; a key's own buckets are those of "
                     "`api_key`"});
}

TEST_F(LimitErrors, HeadersThatClientsCanForge) {
  const std::string forge =
      "19:30 clients can forge `X-Team`: whoever changes it has a new bucket, and whoever knows another's empties that "
      "one";
  const std::string nobody =
      " nobody is trusted: there `X-Team` does not count, and the user or the address stands in; name "
      "`trusted_proxies`, or say whom to believe with `from`";
  EXPECT_EQ(key_warnings("{ header: X-Team, from: anyone }"), Messages{forge});
  EXPECT_EQ(key_warnings("{ header: X-Team }"), Messages{"19:30 on listener 127.0.0.1:8080" + nobody});
  EXPECT_EQ(key_warnings("{ header: X-Team, from: trusted_proxies }"), Messages{});
  EXPECT_EQ(key_warnings("user"), Messages{});
  constexpr std::string_view kHeader = "{ key: { header: X-Team }, tokens: 1, refill: 1/s }";
  constexpr std::string_view kListener = "127.0.0.1:8080\n";
  EXPECT_EQ(warnings({{kLimit, kHeader}, {kListener, "127.0.0.1:8080\n    trusted_proxies: [ 10.0.0.0/8 ]\n"}}),
            Messages{});
  EXPECT_EQ(warnings({{kLimit, kHeader},
                      {kListener,
                       "127.0.0.1:8080\n  - address: 127.0.0.1:8081\n  - { address: 127.0.0.1:8082, "
                       "trusted_proxies: [ '::1' ] }\n"}}),
            Messages{"21:30 on listener 127.0.0.1:8080 and 1 more" + nobody});
}

TEST_F(LimitErrors, WarningsAreInTheOrderOfTheFileAndInTheFormOfErrors) {
  std::string text = good({{"  per_user: {",
                            "  z: { key: { header: X-A, from: anyone }, tokens: 1, refill: 1/s }\n"
                            "  a: { key: [ user, { header: X-B, from: anyone } ], tokens: 1, refill: "
                            "1/s }\n  per_user: {"}});
  auto config = load_config_text(text, folder_.path("gateway.yaml"));
  ASSERT_TRUE(config);
  auto lines = warning_lines(*config);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with(folder_.path("gateway.yaml") + ":19:23: warning: clients can forge `X-A`"))
      << lines[0];
  EXPECT_TRUE(lines[1].starts_with(folder_.path("gateway.yaml") + ":20:31: warning: ")) << lines[1];
}

}  // namespace
}  // namespace lotagate::config
