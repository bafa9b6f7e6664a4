// What is wrong in a file, and what the operator is told. Every case is one good file with one or several changes.
#include <gtest/gtest.h>

#include <string>

#include "config/test_load_errors.h"
#include "route/route_table.h"

namespace lotagate::config {
namespace {

TEST_F(LoadErrors, TheGoodFileIsGood) { EXPECT_EQ(errors({}), Messages{}); }

TEST_F(LoadErrors, Keys) {
  EXPECT_EQ(errors("listeners:", "listners:"), (Messages{"1:1 missing required key `listeners`",
                                                         "1:1 unknown key `listners`; did you mean `listeners`?"}));
  EXPECT_EQ(errors("workers: auto", "threads: 4"),
            (Messages{"4:1 unknown key `threads`; known are listeners, admin, workers, timeouts, limits, services, "
                      "authentication, authorization, limit_store, rate_limits, rate_limit_table, concurrency_limits, "
                      "routes, access_log"}));
  EXPECT_EQ(errors("header: 10s", "headers: 10s"), (Messages{"5:13 unknown key `headers`; did you mean `header`?"}));
  EXPECT_EQ(errors("key: user,", "kex: user,"), (Messages{"19:15 unknown key `kex`; did you mean `key`?"}));
  EXPECT_EQ(errors("public: true", "publik: true"), (Messages{"25:56 unknown key `publik`; did you mean `public`?"}));
  EXPECT_EQ(errors("workers: auto", "workers: auto\nworkers: 2"),
            (Messages{"5:1 duplicate key `workers`; first given at 4:1"}));
  EXPECT_EQ(errors("  training:", "  users:"), (Messages{"9:3 duplicate key `users`; first given at 8:3"}));
  EXPECT_EQ(errors("  - address: 127.0.0.1:8080", "  - {}"), (Messages{"2:5 missing required key `address`"}));
  EXPECT_EQ(errors("path: /api/users\n    service", "service"), (Messages{"21:5 missing required key `path`"}));
  EXPECT_EQ(errors("service: users, ", ""), (Messages{"25:5 missing required key `service`"}));
  EXPECT_EQ(errors("endpoints: [ \"http://127.0.0.1:7001\" ]", ""),
            (Messages{"8:10 missing required key `endpoints`"}));
  EXPECT_EQ(errors("key: user, tokens: 100, refill: 50/s", ""),
            (Messages{"19:13 missing required key `refill`", "19:13 missing required key `tokens`"}));
  EXPECT_EQ(errors("url: \"http://127.0.0.1:7001\", token_file: service.token", ""),
            (Messages{"17:20 missing required key `token_file`", "17:20 missing required key `url`"}));
  EXPECT_EQ(errors("url: \"http://127.0.0.1:7001/jwks\"", ""),
            (Messages{"15:13 missing required key `url`, `file` or `discovery`"}));
  EXPECT_EQ(errors("  users: {", "  \"us ers\": {"),
            (Messages{"8:3 `us ers` is not a name: 1 to 64 letters, digits, `_`, `-`, `.`",
                      "22:14 unknown service `users`; did you mean `us ers`?",
                      "25:49 unknown service `users`; did you mean `us ers`?"}));
  EXPECT_EQ(errors({{"  users: {", "  \"us\\x1Bers\": {"}, {"service: users\n", "service: billing\n"}}),
            (Messages{"8:3 `us?ers` is not a name: 1 to 64 letters, digits, `_`, `-`, `.`",
                      "22:14 unknown service `billing`; known are us?ers, training",
                      "25:49 unknown service `users`; did you mean `us?ers`?"}));
}

TEST_F(LoadErrors, Types) {
  EXPECT_EQ(errors("listeners:\n  - address: 127.0.0.1:8080", "listeners: 127.0.0.1:8080"),
            (Messages{"1:12 expected a list of listeners, found `127.0.0.1:8080`"}));
  EXPECT_EQ(errors("admin: { address: 127.0.0.1:9901 }", "admin: 127.0.0.1:9901"),
            (Messages{"3:8 expected a map with address, found `127.0.0.1:9901`"}));
  EXPECT_EQ(
      errors("timeouts: { header: 10s }", "timeouts:"),
      (Messages{
          "5:1 expected a map with header, body_progress, body_grace, write_progress, client_idle, upstream_idle, "
          "drain, found nothing"}));
  EXPECT_EQ(errors("header: 10s", "header: [10s]"), (Messages{"5:21 expected a duration such as `30s`, found a list"}));
  EXPECT_EQ(errors("head: 32KiB", "head: { a: b }"), (Messages{"6:17 expected a size such as `10MiB`, found a map"}));
  EXPECT_EQ(errors("head: 32KiB", "fields: many"),
            (Messages{"6:19 expected a whole number from 1 to 1000, found `many`"}));
  EXPECT_EQ(errors("head: 32KiB", "fields: \"100\""),
            (Messages{"6:19 expected a whole number from 1 to 1000, found `\"100\"`"}));
  EXPECT_EQ(errors("public: true", "public: yes"), (Messages{"25:64 expected true or false, found `yes`"}));
  EXPECT_EQ(errors("[ POST ]", "POST"), (Messages{"25:30 expected a list of methods, found `POST`"}));
  EXPECT_EQ(errors("[ POST ]", "[]"),
            (Messages{"25:30 expected a list of methods with at least one entry, found none"}));
  EXPECT_EQ(errors("path: /login", "path: ''"), (Messages{"25:13 expected a text, found an empty text"}));
  EXPECT_EQ(errors("path: /login", "path: ~"), (Messages{"25:7 expected a text, found nothing"}));
  EXPECT_EQ(errors("[ per_user ]", "[ [ per_user ] ]"), (Messages{"24:15 expected a text, found a list"}));
  EXPECT_EQ(errors_of("[]"),
            (Messages{"1:1 expected a map with listeners, admin, workers, timeouts, limits, services, authentication, "
                      "authorization, limit_store, rate_limits, rate_limit_table, concurrency_limits, routes, "
                      "access_log, found a list"}));
  EXPECT_EQ(errors_of("text"),
            (Messages{"1:1 expected a map with listeners, admin, workers, timeouts, limits, services, authentication, "
                      "authorization, limit_store, rate_limits, rate_limit_table, concurrency_limits, routes, "
                      "access_log, found `text`"}));
}

TEST_F(LoadErrors, TheProcess) {
  EXPECT_EQ(errors("127.0.0.1:8080", "localhost:8080"),
            (Messages{"2:14 `localhost:8080` is not an address with a port, such as `127.0.0.1:8080` or `[::1]:8080`; "
                      "a host name is not accepted here"}));
  EXPECT_EQ(errors("127.0.0.1:8080", "127.0.0.1"),
            (Messages{"2:14 `127.0.0.1` is not an address with a port, such as `127.0.0.1:8080` or `[::1]:8080`; a "
                      "host name is not accepted here"}));
  EXPECT_EQ(errors("127.0.0.1:8080", "127.0.0.1:65536"),
            (Messages{"2:14 `127.0.0.1:65536` is not an address with a port, such as `127.0.0.1:8080` or `[::1]:8080`; "
                      "a host name is not accepted here"}));
  EXPECT_EQ(errors("127.0.0.1:8080", "127.0.0.1:8080\n  - address: 127.0.0.1:8080"),
            (Messages{"3:14 `127.0.0.1:8080` is taken by another listener"}));
  EXPECT_EQ(errors("127.0.0.1:8080", "127.0.0.1:0\n  - address: 127.0.0.1:0"), (Messages{}));
  EXPECT_EQ(errors("127.0.0.1:8080", "127.0.0.1:8080\n  - address: 0.0.0.0:8080\n  - address: '[::]:8080'"),
            (Messages{"3:14 `0.0.0.0:8080` is taken by another listener"}));
  EXPECT_EQ(errors("127.0.0.1:9901", "127.0.0.1:8080"), (Messages{"3:19 `127.0.0.1:8080` is taken by a listener"}));
  EXPECT_EQ(errors("127.0.0.1:8080", "127.0.0.1:8080\n    tls: { certificate: a, key: b }"),
            (Messages{"3:5 `tls` is not supported yet; listen on a private address behind a server that ends TLS"}));
  EXPECT_EQ(
      errors("127.0.0.1:8080", "127.0.0.1:8080\n    trusted_proxies: [ 10.0.0.1/8, 10.0.0.0/33, x, '::1', fd00::1/8 ]"),
      (Messages{"3:24 `10.0.0.1/8` has bits set after its prefix; write `10.0.0.0/8`",
                "3:36 `10.0.0.0/33` is not a network or an address, such as `10.0.0.0/8` or `::1`",
                "3:49 `x` is not a network or an address, such as `10.0.0.0/8` or `::1`",
                "3:59 `fd00::1/8` has bits set after its prefix; write `fd00::/8`"}));
  EXPECT_EQ(errors("workers: auto", "workers: 0"),
            (Messages{"4:10 expected auto or a whole number from 1 to 64, found `0`"}));
  EXPECT_EQ(errors("workers: auto", "workers: 65"),
            (Messages{"4:10 expected auto or a whole number from 1 to 64, found `65`"}));
  EXPECT_EQ(errors("workers: auto", "workers: \"auto\""),
            (Messages{"4:10 expected auto or a whole number from 1 to 64, found `\"auto\"`"}));
  EXPECT_EQ(errors("header: 10s", "header: 10"),
            (Messages{"5:21 `10` has no unit; write for example `30s` (ms, s, m, h or d)"}));
  EXPECT_EQ(errors("header: 10s", "header: 0"), (Messages{"5:21 `0` is out of range: 10ms to 10m"}));
  EXPECT_EQ(errors("header: 10s", "header: 11m, drain: 2h, client_idle: 1ms"),
            (Messages{"5:21 `11m` is out of range: 10ms to 10m", "5:33 `2h` is out of range: 0 to 1h",
                      "5:50 `1ms` is out of range: 10ms to 1d"}));
  EXPECT_EQ(errors("head: 32KiB", "head: 61KiB, fields: 1001, connections: 0, body: 2000GiB"),
            (Messages{"6:17 `61KiB` is out of range: 1KiB to 60KiB", "6:32 1001 is out of range: 1 to 1000",
                      "6:51 0 is out of range: 1 to 1000000", "6:60 `2000GiB` is out of range: 0 to 1024GiB"}));
  EXPECT_EQ(errors("head: 32KiB", "head: 4KiB, token: 5KiB, target: 8KiB"),
            (Messages{"6:30 `5KiB` is more than `head` (4KiB), which it is part of",
                      "6:44 `8KiB` is more than `head` (4KiB), which it is part of"}));
  EXPECT_EQ(errors("workers: auto", "access_log: on"),
            (Messages{"4:13 expected off or a map with file, buffer, found `on`"}));
  EXPECT_EQ(errors("workers: auto", "access_log: { file: [], buffer: 1KiB, x: y }"),
            (Messages{"4:21 expected a text, found a list", "4:33 `1KiB` is out of range: 64KiB to 256MiB",
                      "4:39 unknown key `x`; known are file, buffer"}));
  EXPECT_EQ(errors("workers: auto", "rate_limit_table: { memory: 1KiB }"),
            (Messages{"4:29 `1KiB` is out of range: 64KiB to 4GiB"}));
}

TEST_F(LoadErrors, Services) {
  EXPECT_EQ(
      errors("http://127.0.0.1:7001", "https://127.0.0.1:7001"),
      (Messages{"8:25 `https://127.0.0.1:7001` uses https, which is not supported towards services yet; use http://"}));
  EXPECT_EQ(errors("http://127.0.0.1:7001", "http://127.0.0.1:7001/x"),
            (Messages{"8:25 `http://127.0.0.1:7001/x` has a path; an endpoint is `http://host:port`"}));
  EXPECT_EQ(errors("http://127.0.0.1:7001", "127.0.0.1:7001"),
            (Messages{"8:25 `127.0.0.1:7001` is not a URL that begins with http:// or https://"}));
  EXPECT_EQ(errors("[ \"http://127.0.0.1:7001\" ]", "[ \"http://a\", \"http://a\" ]"),
            (Messages{"8:37 `http://a` is repeated"}));
  EXPECT_EQ(errors("[ \"http://127.0.0.1:7001\" ]", "[]"),
            (Messages{"8:23 expected a list of endpoints with at least one entry, found none"}));
  EXPECT_EQ(
      errors("[ \"http://127.0.0.1:7001\" ]", "[ http://a ], timeouts: { connect: 2m, first_byte: x, total: 1s }"),
      (Messages{"8:58 `2m` is out of range: 10ms to 1m", "8:74 `x` is not a duration; write for example `30s`",
                "8:77 unknown key `total`; known are connect, first_byte, between_bytes, upgrade_idle"}));
  EXPECT_EQ(errors("service: users\n", "service: user\n"),
            (Messages{"22:14 unknown service `user`; did you mean `users`?"}));
  EXPECT_EQ(errors("service: users\n", "service: billing\n"),
            (Messages{"22:14 unknown service `billing`; known are users, training"}));
}

TEST_F(LoadErrors, Identity) {
  EXPECT_EQ(errors("clock_skew: 30s", "clock_skew: 61s"), (Messages{"11:15 `61s` is out of range: 0 to 1m"}));
  EXPECT_EQ(errors("clock_skew: 30s", "clock_skew: 500ms"),
            (Messages{"11:15 `500ms` is not a whole number of seconds"}));
  EXPECT_EQ(
      errors("[ RS256, ES256 ]", "[ none, HS256, rs256, RS256, RS256 ]"),
      (Messages{
          "14:21 `none` is not an algorithm that is accepted; known are RS256, RS384, RS512, PS256, PS384, PS512, "
          "ES256, ES384, ES512, EdDSA",
          "14:27 `HS256` needs a `secret_file`",
          "14:34 `rs256` is not an algorithm that is accepted; did you mean `RS256`?", "14:48 `RS256` is repeated"}));
  EXPECT_EQ(errors("url: \"http://127.0.0.1:7001/jwks\"", "url: ftp://x, refresh: 0, max_stale: 31d"),
            (Messages{"15:20 `ftp://x` is not a URL that begins with http:// or https://",
                      "15:38 `0` is out of range: 1s to 1d", "15:52 `31d` is out of range: 0 to 30d"}));
  EXPECT_EQ(errors("url: \"http://127.0.0.1:7001/jwks\"", "url: http://a, file: keys.json"),
            (Messages{"15:30 `file` and `url` exclude each other"}));
  auto jwks = [&](const std::string& text) { return errors("url: \"http://127.0.0.1:7001/jwks\"", text); };
  EXPECT_EQ(jwks("url: http://a, file: keys.json, discovery: true"),
            (Messages{"15:30 `file` and `url` exclude each other", "15:47 `discovery` and `url` exclude each other"}));
  EXPECT_EQ(jwks("discovery: true, cooldown: 1m, refresh: 1s"), Messages{});
  EXPECT_EQ(jwks("discovery: \"https://a/b?c\""), Messages{});
  EXPECT_EQ(jwks("discovery: false"), (Messages{"15:26 expected `true` or a URL, found `false`"}));
  EXPECT_EQ(jwks("discovery: \"true\""), (Messages{"15:26 expected `true` or a URL, found `true`"}));
  EXPECT_EQ(jwks("discovery: [ true ]"), (Messages{"15:26 expected `true` or a URL, found a list"}));
  EXPECT_EQ(jwks("discovery: ftp://a"),
            (Messages{"15:26 `ftp://a` is not a URL that begins with http:// or https://"}));
  EXPECT_EQ(jwks("discovery: https://u:p@a/"),
            (Messages{"15:26 `https://u:p@a/` holds credentials; name a file for secrets instead"}));
  EXPECT_EQ(jwks("url: http://a, cooldown: 500ms"), (Messages{"15:40 `500ms` is out of range: 1s to 10m"}));
  EXPECT_EQ(jwks("url: http://a, cooldown: 11m"), (Messages{"15:40 `11m` is out of range: 1s to 10m"}));
  for (const std::string issuer : {"users", "https://issuer.example?x=1", "https://u:p@issuer.example"}) {
    EXPECT_EQ(errors({{"issuer: https://issuer.example", "issuer: " + issuer},
                      {"url: \"http://127.0.0.1:7001/jwks\"", "discovery: true"}}),
              (Messages{"15:26 `true` needs an `issuer` that is an http or https URL without a query"}));
  }
  EXPECT_EQ(errors("      algorithms: [ RS256, ES256 ]",
                   "      algorithms: [ RS256 ]\n      jwks: { url: http://a }\n    - issuer: https://issuer.example\n "
                   "     algorithms: [ RS256 ]"),
            (Messages{"13:7 one of several issuers has to say its `subject_prefix`; `\"\"` if its users are those of "
                      "another",
                      "16:7 one of several issuers has to say its `subject_prefix`; `\"\"` if its users are those of "
                      "another",
                      "16:15 the issuer `https://issuer.example` is given twice"}));
  EXPECT_EQ(errors("http://127.0.0.1:7001\", token_file", "https://a/b\", token_file"),
            (Messages{"17:27 `https://a/b` uses https, which is not supported towards services yet; use http://"}));
  EXPECT_EQ(errors("token_file: service.token",
                   "token_file: service.token, fresh_for: 0, stale_for: 25h, max_users: 0, timeout: 1m, memory: 7MiB"),
            (Messages{"17:90 `0` is out of range: 1ms to 1h", "17:104 `25h` is out of range: 0 to 1d",
                      "17:120 0 is out of range: 1 to 10000000", "17:132 `1m` is out of range: 10ms to 30s",
                      "17:144 `7MiB` is out of range: 8MiB to 4GiB"}));
  EXPECT_EQ(errors({{"authentication:\n  clock_skew: 30s\n  issuers:\n    - issuer: https://issuer.example\n      "
                     "algorithms: [ RS256, ES256 ]\n      jwks: { url: \"http://127.0.0.1:7001/jwks\" }\n",
                     ""}}),
            (Messages{"15:5 a protected route needs `authentication.issuers`; name one, or say `public: true`"}));
  EXPECT_EQ(
      errors("authorization:\n  user_management: { url: \"http://127.0.0.1:7001\", token_file: service.token }\n", ""),
      (Messages{"21:5 `require` needs `authorization.user_management`, which knows who holds permissions, or an "
                "issuer with a `roles_claim` or `permissions_claim`"}));
}

TEST_F(LoadErrors, Files) {
  folder_.write("empty", "");
  folder_.write("large", std::string(300 * 1024, 'x'));
  folder_.write("two.words", "one two");
  folder_.write("blank", " \n ");
  folder_.write("dir/x", "");
  auto token_file = [&](std::string_view name) {
    return errors("token_file: service.token", "token_file: " + std::string(name));
  };
  auto jwks_file = [&](std::string_view name) {
    return errors("url: \"http://127.0.0.1:7001/jwks\"", "file: " + std::string(name));
  };
  EXPECT_EQ(jwks_file("keys.json"), Messages{});
  EXPECT_EQ(jwks_file("missing"),
            (Messages{"15:15 cannot read `file` (" + folder_.path("missing") + "): No such file or directory"}));
  EXPECT_EQ(jwks_file("dir"), (Messages{"15:15 cannot read `file` (" + folder_.path("dir") + "): not a regular file"}));
  EXPECT_EQ(jwks_file("empty"),
            (Messages{"15:15 cannot read `file` (" + folder_.path("empty") + "): the file is empty"}));
  EXPECT_EQ(jwks_file("large"),
            (Messages{"15:15 cannot read `file` (" + folder_.path("large") + "): larger than 256KiB"}));
  EXPECT_EQ(jwks_file("service.token"),
            (Messages{"15:15 the file that `file` names holds no usable key set: json_malformed"}));
  EXPECT_EQ(token_file("missing"),
            (Messages{"17:52 cannot read `token_file` (" + folder_.path("missing") + "): No such file or directory"}));
  EXPECT_EQ(token_file("large"),
            (Messages{"17:52 cannot read `token_file` (" + folder_.path("large") + "): larger than 8KiB"}));
  EXPECT_EQ(token_file("two.words"),
            (Messages{"17:52 the file that `token_file` names has to hold one word of visible ASCII"}));
  EXPECT_EQ(token_file("blank"),
            (Messages{"17:52 the file that `token_file` names has to hold one word of visible ASCII"}));
  EXPECT_EQ(token_file("/dev/zero"), (Messages{"17:52 cannot read `token_file` (/dev/zero): not a regular file"}));
}

TEST_F(LoadErrors, RateLimits) {
  EXPECT_EQ(errors("key: user", "key: addres"), (Messages{"19:20 expected one of user, tenant, address, api_key, "
                                                          "route, service, { header: NAME }, { claim: NAME }, found "
                                                          "`addres`; did you mean `address`?"}));
  EXPECT_EQ(errors("tokens: 100", "tokens: 0"), (Messages{"19:34 0 is out of range: 1 to 1000000"}));
  EXPECT_EQ(errors("tokens: 100", "tokens: 1000001"), (Messages{"19:34 1000001 is out of range: 1 to 1000000"}));
  EXPECT_EQ(
      errors("refill: 50/s", "refill: 50"),
      (Messages{
          "19:47 `50` is not a rate: a number, `/`, and one of s, m (min), h (hour), d (day), for example `50/s`"}));
  EXPECT_EQ(errors("refill: 50/s", "refill: 0/s"),
            (Messages{"19:47 `0/s` is out of range: more than 0, at most 1000000/s"}));
  EXPECT_EQ(errors("refill: 50/s", "refill: 1000001/s"),
            (Messages{"19:47 `1000001/s` is out of range: more than 0, at most 1000000/s"}));
  EXPECT_EQ(errors("tokens: 100, refill: 50/s", "tokens: 1000, refill: 1/d"),
            (Messages{"19:48 `1/d` is too slow: 1000 tokens would take more than 366d to come back"}));
  EXPECT_EQ(errors("[ per_user ]", "[ per_usr, per_user, per_user, other ]"),
            (Messages{"24:15 unknown rate limit `per_usr`; did you mean `per_user`?", "24:34 `per_user` is repeated",
                      "24:44 unknown rate limit `other`; known are per_user"}));
}

TEST_F(LoadErrors, Routes) {
  EXPECT_EQ(errors("path: /login", "path: /login/"),
            (Messages{"25:13 `/login/` is not in canonical form; write `/login`"}));
  EXPECT_EQ(errors("path: /login", "path: /a/../%6cogin"),
            (Messages{"25:13 `/a/../%6cogin` is not in canonical form; write `/login`"}));
  EXPECT_EQ(errors("path: /login", "path: login"), (Messages{"25:13 `login` does not begin with `/`"}));
  EXPECT_EQ(
      errors("path: /login", "path: /login, host: 'a.example:80'"),
      (Messages{
          "25:27 `a.example:80` is not a host name or an IPv4 address; a route's host has no port and no wildcard"}));
  EXPECT_EQ(
      errors("path: /login", "path: /login, host: '*.example'"),
      (Messages{
          "25:27 `*.example` is not a host name or an IPv4 address; a route's host has no port and no wildcard"}));
  EXPECT_EQ(
      errors("[ POST ]", "[ post, GTE, BREW, GET, GET ]"),
      (Messages{
          "25:32 `post` is not a method that can be routed; did you mean `POST`?",
          "25:38 `GTE` is not a method that can be routed; known are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
          "25:43 `BREW` is not a method that can be routed; did you mean `GET`?", "25:54 `GET` is repeated"}));
  EXPECT_EQ(errors("path: /login", "path: /login, headers: { X-A: 1, x-a: 2, 'b b': 1, c: \"\\n\", d: [] }"),
            (Messages{"25:40 the header `x-a` is given twice", "25:48 `b b` is not a header's name",
                      "25:61 `?` is not a header's value: printable ASCII without blanks at its ends",
                      "25:70 expected a header's value, found a list"}));
  EXPECT_EQ(errors("path: /login", "path: /login, headers: {}"),
            (Messages{"25:30 expected a map of 1 to 16 header names and values, found 0"}));
  EXPECT_EQ(errors("path: /login", "path: /login, headers: []"),
            (Messages{"25:30 expected a map of 1 to 16 header names and values, found a list"}));
  EXPECT_EQ(errors("public: true", "public: true, require: a:b"),
            (Messages{"25:70 a public route cannot have `require`: nobody is known there"}));
  EXPECT_EQ(errors("public: true", "public: true, errors: pass, max_body: 10, forward_token: 1"),
            (Messages{"25:78 expected one of transform, passthrough, found `pass`",
                      "25:94 `10` has no unit; write for example `10MiB` (B, KiB, MiB, GiB, KB, MB or GB)",
                      "25:113 expected true or false, found `1`"}));
  EXPECT_EQ(errors("path: /login", "path: /login, upgrade: [ web-socket, h2c ]"),
            (Messages{"25:32 `web-socket` is not a protocol that can be upgraded to; did you mean `websocket`?",
                      "25:44 `h2c` is not a protocol that can be upgraded to; known are websocket"}));
  EXPECT_EQ(errors("path: /login", "path: /login, upgrade: [ websocket ]"),
            (Messages{"25:21 `upgrade` needs GET among the route's `methods`: a WebSocket begins with one"}));
  EXPECT_EQ(errors("GET: users:read", "GET: read, PUT: [], POST: [ users:write, 'a:b:c' ], get: a:b"),
            (Messages{"23:21 `read` is not a permission, such as `models:read`",
                      "23:32 expected a permission or a list of permissions with at least one entry, found none",
                      "23:57 `a:b:c` is not a permission, such as `models:read`",
                      "23:68 `get` is not a method that can be routed; did you mean `GET`?"}));
  EXPECT_EQ(
      errors(", \"*\": users:write", ""),
      (Messages{"23:5 `require` has to say what every other method needs: add `\"*\"`, or give the route `methods`"}));
  EXPECT_EQ(errors("require: { GET: users:read, \"*\": users:write }",
                   "methods: [ GET, PUT, POST ]\n    require: { GET: users:read, DELETE: users:write }"),
            (Messages{"24:5 `require` says nothing about PUT, POST; add it, or `\"*\"`",
                      "24:33 DELETE is not among the route's `methods`"}));
  EXPECT_EQ(errors("require: { GET: users:read, \"*\": users:write }", "require: []"),
            (Messages{"23:14 expected a permission or a list of permissions with at least one entry, found none"}));
  EXPECT_EQ(
      errors("path: /login", "name: 'a\"b', path: /login"),
      (Messages{
          "25:13 `a\"b` is not a route's name: at most 128 bytes of printable ASCII without quotes and backslashes"}));
  EXPECT_EQ(errors({{"path: /login", "name: a, path: /login"}, {"path: /api/users", "path: /api/users\n    name: a"}}),
            (Messages{"26:13 another route at 22:11 has the name `a`"}));
}

TEST_F(LoadErrors, RoutesThatNoRequestCanTellApart) {
  auto with = [&](std::string_view routes) {
    std::string text(kGood.substr(0, kGood.find("routes:")));
    return errors_of(text + "routes:\n" + std::string(routes));
  };
  EXPECT_EQ(
      with("  - { path: /a, service: users }\n  - { path: /a, service: training }\n"),
      (Messages{
          "22:5 never matches: the route at 21:5 has the same path, host and headers and also takes every method"}));
  EXPECT_EQ(with("  - { path: /a, service: users, methods: [ GET, PUT ] }\n  - { path: /a, service: users, methods: [ "
                 "POST, PUT ] }\n"),
            (Messages{"22:5 never matches: the route at 21:5 has the same path, host and headers and also takes PUT"}));
  EXPECT_EQ(
      with("  - { path: /a, service: users, host: A.example, headers: { a: 1, B: 2 } }\n  - { path: /a, service: "
           "users, host: a.example, headers: { b: 2, A: 1 } }\n"),
      (Messages{
          "22:5 never matches: the route at 21:5 has the same path, host and headers and also takes every method"}));
  EXPECT_EQ(with("  - { path: /a, service: users }\n"
                 "  - { path: /a, service: users, methods: [ GET ] }\n"
                 "  - { path: /a, service: users, methods: [ PUT ] }\n"
                 "  - { path: /a, service: users, host: a.example }\n"
                 "  - { path: /a, service: users, headers: { a: 1 } }\n"
                 "  - { path: /a, service: users, headers: { a: 2 } }\n"
                 "  - { path: /a/b, service: users }\n"),
            Messages{});
}

// What passes here is built as a route table, which aborts where a match could not follow all places.
TEST_F(LoadErrors, SubjectsBehindTooManyBeginningsOfAPath) {
  auto with = [&](int places, std::string_view longest) {
    std::vector<route::RouteSpec> specs;
    std::string begin;
    for (int i = 0; i < places; ++i) {
      specs.push_back({.path = begin + "/{subject}"});
      begin += "/a";
    }
    specs.push_back({.path = begin + std::string(longest)});
    std::string text(kGood.substr(0, kGood.find("routes:")));
    text += "routes:\n";
    for (const auto& spec : specs) text += "  - { path: \"" + spec.path + "\", service: users }\n";
    Messages messages = errors_of(text);
    if (messages.empty()) route::RouteTable table(specs);
    return messages;
  };
  auto problem = [](int line) {
    return std::to_string(line) +
           ":5 `{subject}` stands behind 8 beginnings of this path, over all routes; at most 7 can";
  };
  EXPECT_EQ(with(7, ""), Messages{});
  EXPECT_EQ(with(7, "/b/c"), Messages{});
  EXPECT_EQ(with(7, "/{subject}/b"), (Messages{problem(28)}));
  EXPECT_EQ(with(8, ""), (Messages{problem(28), problem(29)}));
  EXPECT_EQ(with(8, "/b"), (Messages{problem(28), problem(29)}));
}

TEST_F(LoadErrors, Yaml) {
  EXPECT_EQ(errors_of(""), (Messages{"1:1 the file is empty; `listeners`, `services` and `routes` are required"}));
  EXPECT_EQ(errors_of("# only a comment\n"),
            (Messages{"1:1 the file is empty; `listeners`, `services` and `routes` are required"}));
  EXPECT_EQ(errors_of(std::string(kGood) + "x: [\n"), (Messages{"27:1 YAML syntax: end of sequence flow not found"}));
  EXPECT_EQ(errors_of(std::string(kGood) + "---\n" + std::string(kGood)),
            (Messages{"26:1 a second document; a configuration is one YAML document"}));
  EXPECT_EQ(errors_of(std::string(kMaxConfigBytes + 1, '#')), (Messages{"1:1 larger than 1MiB"}));
  EXPECT_EQ(errors_of(std::string(kMaxConfigBytes, '#')),
            (Messages{"1:1 the file is empty; `listeners`, `services` and `routes` are required"}));
}

TEST_F(LoadErrors, AreAllReportedInTheOrderOfTheFile) {
  EXPECT_EQ(errors({{"workers: auto", "workers: many"},
                    {"header: 10s", "header: soon"},
                    {"service: users\n", "service: user\n"},
                    {"key: user", "key: nobody"},
                    {"token_file: service.token", "token_file: none"},
                    {"path: /login", "path: /login, path: /x"}}),
            (Messages{"4:10 expected auto or a whole number from 1 to 64, found `many`",
                      "5:21 `soon` is not a duration; write for example `30s`",
                      "17:52 cannot read `token_file` (" + folder_.path("none") + "): No such file or directory",
                      "19:20 expected one of user, tenant, address, api_key, route, service, { header: NAME }, { "
                      "claim: NAME }, found `nobody`",
                      "22:14 unknown service `user`; did you mean `users`?",
                      "25:21 duplicate key `path`; first given at 25:7"}));
}

TEST_F(LoadErrors, OfAnAliasAreReportedOnce) {
  EXPECT_EQ(
      errors({{"require: { GET: users:read, \"*\": users:write }", "require: &r { GET: users }"},
              {"public: true", "require: *r"}}),
      (Messages{"23:5 `require` has to say what every other method needs: add `\"*\"`, or give the route `methods`",
                "23:19 GET is not among the route's `methods`",
                "23:24 `users` is not a permission, such as `models:read`",
                "25:56 `require` says nothing about POST; add it, or `\"*\"`"}));
}

TEST(LoadConfig, AFileThatCannotBeRead) {
  TestFolder folder;
  auto missing = load_config(folder.path("none.yaml"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(to_string(missing.error()[0]),
            folder.path("none.yaml") + ":1:1: error: cannot read the file: No such file or directory");
  folder.write("dir/x", "");
  auto directory = load_config(folder.path("dir"));
  ASSERT_FALSE(directory);
  EXPECT_EQ(to_string(directory.error()[0]),
            folder.path("dir") + ":1:1: error: cannot read the file: not a regular file");
  folder.write("large.yaml", std::string(kMaxConfigBytes + 1, '#'));
  auto large = load_config(folder.path("large.yaml"));
  ASSERT_FALSE(large);
  EXPECT_EQ(to_string(large.error()[0]),
            folder.path("large.yaml") + ":1:1: error: cannot read the file: larger than 1MiB");
}

}  // namespace
}  // namespace lotagate::config
