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

TEST_F(LimitErrors, TrustInEverybody) {
  auto trust = [this](std::string_view networks) {
    std::string listener = "127.0.0.1:8080\n    trusted_proxies: " + std::string(networks) + "\n";
    return warnings({{"127.0.0.1:8080\n", listener}});
  };
  const Messages everybody{
      "3:22 `trusted_proxies` trusts everybody: clients can forge their address with X-Forwarded-For"};
  EXPECT_EQ(trust("[ 10.0.0.0/8, 0.0.0.0/0 ]"), everybody);
  EXPECT_EQ(trust("[ '::/0' ]"), everybody);
  EXPECT_EQ(trust("[ 128.0.0.0/1, '8000::/1', 0.0.0.0 ]"), Messages{});
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

TEST_F(LimitErrors, Sizes) {
  EXPECT_EQ(limit("{ key: user }"),
            (Messages{"19:13 missing required key `refill`", "19:13 missing required key `tokens`"}));
  EXPECT_EQ(limit("{ rate: 5/s, tokens: 5 }"),
            Messages{"19:15 `rate` cannot stand beside `tokens` or `refill`: it says both"});
  EXPECT_EQ(limit("{ refill: 5/s, rate: 5/s }"),
            Messages{"19:28 `rate` cannot stand beside `tokens` or `refill`: it says both"});
  EXPECT_EQ(limit("{ rate: 0.5/s }"),
            Messages{"19:21 `0.5/s` is not a whole number of tokens; say `tokens` and `refill`"});
  for (const char* rate : {"0/s", "1000001/d", "999999999999999999/d"}) {
    EXPECT_EQ(limit("{ rate: " + std::string(rate) + " }"),
              Messages{"19:21 `" + std::string(rate) + "` is out of range: 1 to 1000000 tokens"});
  }
  for (const char* rate : {"5", "5/w", "-5/s", "5/", "/s", "1e3/s", "5 /s", "9999999999999999999/d", "inf/s"}) {
    EXPECT_EQ(limit("{ rate: " + std::string(rate) + " }"),
              Messages{"19:21 `" + std::string(rate) +
                       "` is not a rate: a number, `/`, and one of s, m (min), h (hour), d (day), for example `50/s`"});
  }
  EXPECT_EQ(limit("{ rate: [ 5/s ] }"), Messages{"19:21 expected a rate such as `1000/min`, found a list"});
}

TEST_F(LimitErrors, Cases) {
  EXPECT_EQ(limit("{ by: plan }"), Messages{"19:13 missing required key `cases`"});
  EXPECT_EQ(limit("{ rate: 5/s, cases: { '*': 5/s } }"), Messages{"19:26 `cases` needs `by`"});
  EXPECT_EQ(limit("{ by: plan, tokens: 5, refill: 5/s, rate: 5/s, cases: { '*': 5/s } }"),
            (Messages{"19:25 `tokens` cannot stand beside `by`: every case has its own size",
                      "19:36 `refill` cannot stand beside `by`: every case has its own size",
                      "19:49 `rate` cannot stand beside `by`: every case has its own size"}));
  EXPECT_EQ(limit("{ by: plan, cases: { pro: 5/s } }"),
            Messages{"19:25 `cases` has to say what everybody else has: add `\"*\"`"});
  EXPECT_EQ(limit("{ by: plan, cases: { '*': 5/s, pro: 5/s } }"),
            Messages{"19:34 `\"*\"` has to be the last case: those behind it would never be reached"});
  EXPECT_EQ(limit("{ by: plan, cases: {} }"), Messages{"19:32 expected a map of 1 to 64 cases, found 0"});
  EXPECT_EQ(limit("{ by: plan, cases: [ pro ] }"), Messages{"19:32 expected a map of 1 to 64 cases, found a list"});
  EXPECT_EQ(limit("{ by: plans, cases: { '*': 5/s } }"),
            Messages{"19:19 expected one of plan, role, { claim: NAME }, found `plans`; did you mean `plan`?"});
  EXPECT_EQ(limit("{ by: { claims: a }, cases: { '*': 5/s } }"),
            (Messages{"19:19 missing required key `claim`", "19:21 unknown key `claims`; did you mean `claim`?"}));
  EXPECT_EQ(limit("{ by: role, cases: { 'a,b': 5/s, '': 5/s, '*': 5/s } }"),
            (Messages{"19:34 `a,b` is not a case: 1 to 256 bytes of printable ASCII, for a role without comma",
                      "19:46 `` is not a case: 1 to 256 bytes of printable ASCII, for a role without comma"}));
  EXPECT_EQ(limit("{ by: role, cases: { a: unlimitd, b: { tokens: 0, refill: 1/s }, c: { refil: 1/s }, '*': 0/s } }"),
            (Messages{"19:37 `unlimitd` is not a rate: a number, `/`, and one of s, m (min), h (hour), d (day), for "
                      "example `50/s`",
                      "19:60 0 is out of range: 1 to 1000000", "19:81 missing required key `refill`",
                      "19:81 missing required key `tokens`", "19:83 unknown key `refil`; did you mean `refill`?",
                      "19:102 `0/s` is out of range: 1 to 1000000 tokens"}));
  std::string many;
  for (int i = 0; i < 64; ++i) many += "c" + std::to_string(i) + ": 1/s, ";
  EXPECT_EQ(limit("{ by: role, cases: { " + many + "'*': 5/s } }"),
            Messages{"19:32 expected a map of 1 to 64 cases, found 65"});
}

TEST_F(LimitErrors, TooManyCasesTogether) {
  std::string many;
  for (int i = 0; i < 63; ++i) many += "c" + std::to_string(i) + ": 1/s, ";
  std::string limits;
  for (int i = 0; i < 15; ++i)
    limits += "  l" + std::to_string(i) + ": { by: role, cases: { " + many + "'*': 1/s } }\n";
  auto with = [&](int more) {
    std::string text = limits;
    for (int i = 0; i < more; ++i) text += "  m" + std::to_string(i) + ": { rate: 1/s }\n";
    return errors({{"  per_user: {", text + "  per_user: {"}});
  };
  EXPECT_EQ(with(39), Messages{});
  EXPECT_EQ(with(40), Messages{"74:3 more than 1000 limits, counting every case as one"});
}

TEST_F(LimitErrors, Costs) {
  EXPECT_EQ(limit("{ rate: 5/s, cost: 0 }"), Messages{"19:32 0 is out of range: 1 to 1000000"});
  EXPECT_EQ(limit("{ rate: 5/s, cost: 5 }"), Messages{});
  EXPECT_EQ(limit("{ rate: 5/s, cost: 6 }"),
            Messages{"19:32 6 is more than the bucket's 5 tokens: no request would ever pass"});
  EXPECT_EQ(limit("{ by: plan, cases: { a: 9/s, b: unlimited, c: 4/s, '*': 5/s }, cost: 5 }"),
            Messages{"19:82 5 is more than the bucket's 4 tokens: no request would ever pass"});
  EXPECT_EQ(limit("{ rate: 5/s, cost: X-Cost }"),
            Messages{"19:32 expected a whole number from 1 to 1000000, found `X-Cost`"});
  EXPECT_EQ(limit("{ rate: 5/s, cost: {} }"),
            (Messages{"19:32 missing required key `field`", "19:32 missing required key `most`"}));
  EXPECT_EQ(limit("{ rate: 5/s, cost: { field: X-Cost, reserve: 6, most: 9 } }"),
            Messages{"19:58 6 is more than the bucket's 5 tokens: no request would ever pass"});
  EXPECT_EQ(limit("{ rate: 5/s, cost: { field: X-Cost, reserve: 3, most: 2 } }"),
            Messages{"19:67 `most` is less than the 3 tokens of `reserve`"});
  EXPECT_EQ(limit("{ rate: 5/s, cost: { field: X-Cost, reserve: 0, most: 1000001 } }"),
            (Messages{"19:58 0 is out of range: 1 to 1000000", "19:67 1000001 is out of range: 1 to 1000000"}));
  EXPECT_EQ(limit("{ rate: 5/s, cost: { field: Set-Cookie, most: 9 } }"),
            Messages{"19:41 `Set-Cookie` cannot be a cost: it carries credentials"});
  EXPECT_EQ(limit("{ rate: 5/s, cost: { field: Content-Length, most: 9 } }"),
            Messages{"19:41 `Content-Length` cannot be a cost: it belongs to one connection, not to the request or the "
                     "answer"});
  EXPECT_EQ(limit("{ tokens: 100, refill: 1/d, cost: { field: X-Cost, most: 266 } }"), Messages{});
  EXPECT_EQ(limit("{ tokens: 100, refill: 1/d, cost: { field: X-Cost, most: 267 } }"),
            Messages{"19:70 267 is too much: so many tokens and a full bucket would take more than 366d to come back"});
  EXPECT_EQ(limit("{ by: plan, cases: { a: 100/s, '*': 1/d }, cost: { field: X-Cost, most: 366 } }"),
            Messages{"19:85 366 is too much: so many tokens and a full bucket would take more than 366d to come back"});
}

TEST_F(LimitErrors, Statuses) {
  EXPECT_EQ(limit("{ rate: 5/s, count: [ 401, 200, 600, abc, '403', 401 ] }"),
            (Messages{"19:40 expected a status from 400 to 599, found `200`",
                      "19:45 expected a status from 400 to 599, found `600`",
                      "19:50 expected a status from 400 to 599, found `abc`",
                      "19:55 expected a status from 400 to 599, found `\"403\"`", "19:62 401 is repeated"}));
  EXPECT_EQ(limit("{ rate: 5/s, count: 401 }"), Messages{"19:33 expected a list of statuses, found `401`"});
  EXPECT_EQ(limit("{ rate: 5/s, count: [] }"),
            Messages{"19:33 expected a list of statuses with at least one entry, found none"});
  EXPECT_EQ(limit("{ rate: 5/s, count: [ 401 ], cost: { field: X-Cost, most: 9 } }"),
            Messages{"19:26 `count` cannot stand beside `cost.field`: an answer costs what its field says"});
}

TEST_F(LimitErrors, Stages) {
  auto early = [this](std::string_view text) {
    return limit("{ stage: before_authentication, rate: 1/s, " + std::string(text) + " }");
  };
  auto too_early = [](std::string_view what) {
    return Messages{"19:22 `before_authentication` is too early for " + std::string(what) +
                    ": who asks is known afterwards"};
  };
  EXPECT_EQ(early("key: address"), Messages{});
  EXPECT_EQ(early("report_only: true"), too_early("the key's `user`"));
  EXPECT_EQ(early("key: [ address, tenant ]"), too_early("the key's `tenant`"));
  EXPECT_EQ(early("key: api_key"), too_early("the key's `api_key`"));
  EXPECT_EQ(early("key: { claim: a }"), too_early("the key's `claim`"));
  EXPECT_EQ(early("key: address, exempt: { users: [ a ] }"), too_early("`exempt.users`"));
  EXPECT_EQ(limit("{ stage: before_authentication, key: address, by: role, cases: { '*': 1/s } }"), too_early("`by`"));
  EXPECT_EQ(limit("{ rate: 1/s, stage: before }"),
            Messages{"19:33 expected one of before_authentication, after_authentication, found `before`"});
}

TEST_F(LimitErrors, Exemptions) {
  EXPECT_EQ(limit("{ rate: 1/s, exempt: {} }"), Messages{"19:34 exempts nobody; name addresses, paths or users"});
  EXPECT_EQ(limit("{ rate: 1/s, exempt: { addresses: [ 10.0.0.1/8, x ], adresses: [] } }"),
            (Messages{"19:49 `10.0.0.1/8` has bits set after its prefix; write `10.0.0.0/8`",
                      "19:61 `x` is not a network or an address, such as `10.0.0.0/8` or `::1`",
                      "19:66 unknown key `adresses`; did you mean `addresses`?"}));
  EXPECT_EQ(limit("{ rate: 1/s, exempt: { paths: [ healthz, /a/, '/{subject}', '/a?b', /b, /b ], users: [ a, a ] } }"),
            (Messages{"19:45 `healthz` does not begin with `/`", "19:54 `/a/` is not in canonical form; write `/a`",
                      "19:59 `/{subject}` has a placeholder; it is compared whole",
                      "19:73 `/a?b` holds a query or a fragment; routes match the path alone", "19:85 `/b` is repeated",
                      "19:103 `a` is repeated"}));
}

TEST_F(LimitErrors, Sharing) {
  EXPECT_EQ(limit("{ rate: 1/s, shared: true }"), Messages{"19:26 `shared` needs `limit_store`, which says where"});
  EXPECT_EQ(limit("{ rate: 1/s, on_store_failure: open }"), Messages{"19:26 `on_store_failure` needs `shared: true`"});
  EXPECT_EQ(limit("{ rate: 1/s, shared: false, on_store_failure: wait }"),
            (Messages{"19:41 `on_store_failure` needs `shared: true`",
                      "19:59 expected one of local, closed, open, found `wait`"}));
  constexpr std::string_view kStore = "limit_store: redis://127.0.0.1\nrate_limits:";
  EXPECT_EQ(errors({{"rate_limits:", kStore}, {kLimit, "{ rate: 1/s, shared: true }"}}), Messages{});
  EXPECT_EQ(warnings({{"rate_limits:", kStore}, {kLimit, "{ rate: 1/s, shared: true }"}}), Messages{});
  EXPECT_EQ(warnings({{"rate_limits:", kStore}}),
            Messages{"18:1 `limit_store` is not used: no rate limit is `shared`"});
}

class StoreErrors : public LoadErrors {
 protected:
  static constexpr std::string_view kShared = "{ rate: 1/s, shared: true }\n#";

  static std::string with(std::string_view store) {
    return good({{"rate_limits:", "limit_store: " + std::string(store) + "\nrate_limits:"},
                 {"{ key: user, tokens: 100, refill: 50/s }", kShared}});
  }
  Messages store(std::string_view text) { return errors_of(with(text)); }
};

TEST_F(StoreErrors, Values) {
  EXPECT_EQ(store("redis://127.0.0.1"), Messages{});
  EXPECT_EQ(store("[ redis://127.0.0.1 ]"),
            Messages{"18:14 expected a URL such as `redis://127.0.0.1:6379/0`, found a list"});
  EXPECT_EQ(store("{}"), Messages{"18:14 missing required key `url`"});
  EXPECT_EQ(store("{ url: [] }"), Messages{"18:21 expected a list of URLs with at least one entry, found none"});
  EXPECT_EQ(store("{ url: [ redis://a, redis://A:6379 ] }"), Messages{"18:34 the server is repeated"});
  EXPECT_EQ(store("{ url: [ redis://a/1, redis://b, redis://c/2 ] }"),
            Messages{"18:47 the URL has another database than the one before it; all share one"});
  EXPECT_EQ(store("{ url: redis://a, prefix: 'a b', memory: 1KiB, timeout: 2s, db: 1 }"),
            (Messages{"18:40 `a b` is not a prefix: 1 to 64 letters, digits, `_`, `-`, `.`, `:`",
                      "18:55 `1KiB` is out of range: 64KiB to 4GiB", "18:70 `2s` is out of range: 1ms to 1s",
                      "18:74 unknown key `db`; known are url, user, password_file, prefix, memory, timeout"}));
  EXPECT_EQ(store("{ url: redis://a, timeout: 0 }"), Messages{"18:41 `0` is out of range: 1ms to 1s"});
}

TEST_F(StoreErrors, Credentials) {
  folder_.write("empty", "");
  folder_.write("newline", "\n");
  folder_.write("lines", "one\ntwo\n");
  EXPECT_EQ(store("{ url: redis://a, user: u }"), Messages{"18:32 `user` needs `password_file`"});
  EXPECT_EQ(store("{ url: redis://a, user: u v, password_file: service.token }"),
            Messages{"18:38 `u v` is not a user: up to 256 bytes of visible ASCII"});
  EXPECT_EQ(store("{ url: redis://a, password_file: none }"),
            Messages{"18:32 cannot read `password_file` (" + folder_.path("none") + "): No such file or directory"});
  EXPECT_EQ(store("{ url: redis://a, password_file: empty }"),
            Messages{"18:32 cannot read `password_file` (" + folder_.path("empty") + "): the file is empty"});
  for (const char* file : {"newline", "lines"}) {
    EXPECT_EQ(store("{ url: redis://a, password_file: " + std::string(file) + " }"),
              Messages{"18:32 the file that `password_file` names has to hold one line"});
  }
  EXPECT_EQ(store("{ url: redis://:x@a, user: u, password_file: service.token }"),
            (Messages{"18:35 `user` cannot stand beside a password in the URL",
                      "18:44 `password_file` cannot stand beside a password in the URL"}));
  EXPECT_EQ(store("{ url: [ redis://u:x@a, redis://u:y@b ] }"),
            Messages{"18:38 the URL has another user or password than the one before it; all share one"});
  EXPECT_EQ(warnings_of(with("redis://:x@a")),
            Messages{"18:14 the URL holds a password; `password_file` keeps it out of the configuration"});
}

// Whatever is wrong with a URL, and wherever the password has ended up in it.
TEST_F(StoreErrors, NoMessageShowsAPassword) {
  for (std::string_view url :
       {"rediss://:hunter2@a", "redis://:hunter2", "redis://hunter2", "redis//:hunter2@a", "redis://:hunter2@",
        "redis://u:hunter2/@a", "redis://u:hunter2@@a", "redis://u:hunter2@a:b", "redis://u:hunter2@a/b",
        "redis://u:%hunter2@a", "redis://hunter2@a", "redis://u:x@a:70000/hunter2", "http://u:hunter2@a",
        "REDIS://u:hunter2@a", "redis://u:hunter2@a?db=1", "redis://u:hunter2@[::1", "redis://a/hunter2@b"}) {
    bool valid_host = url == "redis://hunter2";  // nobody can tell
    auto plain = store(url);
    EXPECT_EQ(plain.empty(), valid_host) << url;
    auto listed = store("{ url: [ " + std::string(url) + ", " + std::string(url) + " ] }");
    EXPECT_FALSE(listed.empty()) << url;
    for (const Messages& messages : {plain, listed}) {
      for (const std::string& message : messages) EXPECT_FALSE(message.contains("hunter2")) << message;
    }
  }
}

TEST_F(LimitErrors, OfRoutes) {
  auto use = [this](std::string_view text) {
    return errors(
        {{"[ per_user ]", text},
         {"  per_user: {", "  s: { rate: 5/s, cost: { field: X-Cost, reserve: 2, most: 3 } }\n  per_user: {"}});
  };
  EXPECT_EQ(use("[ { name: per_user, cost: 100 }, s ]"), Messages{});
  EXPECT_EQ(use("[ { name: per_user, cost: 101 } ]"),
            Messages{"25:39 101 is more than the 100 tokens of `per_user`: no request would ever pass"});
  EXPECT_EQ(use("[ { name: s, cost: 4 } ]"), Messages{"25:32 4 is more than the `most` of `s`, 3"});
  EXPECT_EQ(use("[ { name: per_user, cost: 0 } ]"), Messages{"25:39 0 is out of range: 1 to 1000000"});
  EXPECT_EQ(use("[ { cost: 5 } ]"), Messages{"25:15 missing required key `name`"});
  EXPECT_EQ(use("[ { name: peruser, costs: 5 } ]"),
            (Messages{"25:23 unknown rate limit `peruser`; did you mean `per_user`?",
                      "25:32 unknown key `costs`; did you mean `cost`?"}));
  EXPECT_EQ(use("[ s, per_user, { name: s, cost: 1 } ]"), Messages{"25:36 `s` is repeated"});
  EXPECT_EQ(use("per_user"), Messages{"25:13 expected a list of names of rate limits, found `per_user`"});
}

TEST_F(LimitErrors, NobodyIsKnownOnAPublicRoute) {
  constexpr std::string_view kPublic = "public: true, limits: [ { name: per_user } ] }";
  EXPECT_EQ(warnings({{"public: true }", kPublic}}), Messages{});
  EXPECT_EQ(warnings({{"public: true }", kPublic}, {kLimit, "{ by: role, cases: { '*': 5/s } }"}}),
            Messages{"25:88 nobody is known on a public route: everybody has the case `\"*\"` of `per_user`"});
}

}  // namespace
}  // namespace lotagate::config
