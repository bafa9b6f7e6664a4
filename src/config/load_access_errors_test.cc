// What is wrong about callers and what they must hold, and what the operator is told.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>

#include "config/test_load_errors.h"

namespace lotagate::config {
namespace {

class AccessErrors : public LoadErrors {
 protected:
  // The good file with `more` behind the issuer's algorithms.
  Messages issuer(std::string_view more) {
    return errors("algorithms: [ RS256, ES256 ]\n", "algorithms: [ RS256, ES256 ]\n      " + std::string(more) + "\n");
  }
  Messages secret(std::string_view keys) {
    return errors("algorithms: [ RS256, ES256 ]\n      jwks: { url: \"http://127.0.0.1:7001/jwks\" }\n",
                  std::string(keys) + "\n");
  }
  // With `more` in the route of users.
  Messages route(std::string_view more) {
    return errors("    require: { GET: users:read, \"*\": users:write }\n", "    " + std::string(more) + "\n");
  }
};

TEST_F(AccessErrors, Claims) {
  EXPECT_EQ(issuer("typ: a b"), (Messages{"15:12 `a b` is not a token type, such as `at+jwt`"}));
  EXPECT_EQ(issuer("typ: application/"), (Messages{"15:12 `application/` is not a token type, such as `at+jwt`"}));
  EXPECT_EQ(issuer("required_claims: [ a b ]"),
            (Messages{"15:26 `a b` is not a claim: the name of a member, or names joined by dots"}));
  EXPECT_EQ(issuer("roles_claim: [ roles ]"), (Messages{"15:20 expected a text, found a list"}));
  EXPECT_EQ(issuer("subject_prefix: a b"),
            (Messages{"15:23 `a b` cannot begin a subject: at most 64 bytes of visible ASCII"}));
  EXPECT_EQ(issuer("claims_to_headers: { email: Email }"),
            (Messages{"15:35 `Email` cannot carry a claim: its name has to begin with X-Auth-, X-User- or X-Consumer-, "
                      "which clients cannot set"}));
  EXPECT_EQ(
      issuer("claims_to_headers: { a: x-auth-roles, b: X-User-B, c: x-user-b }"),
      (Messages{"15:31 `x-auth-roles` is set by the gateway itself", "15:61 the header `x-user-b` is given twice"}));
  EXPECT_EQ(issuer("claims_to_headers: []"),
            (Messages{"15:26 expected a map of 1 to 32 claims and header names, found a list"}));
  EXPECT_EQ(errors("authorization:\n", "authorization:\n  roles: { admin: [ all ] }\n"),
            (Messages{"17:21 `all` is not a permission, such as `models:read`"}));
}

TEST_F(AccessErrors, PrefixesThatBeginAnother) {
  auto prefixes = [this](std::string_view first, std::string_view second, std::string_view third) {
    auto next = [](std::string_view name, std::string_view prefix) {
      return fmt::format(
          "    - {{ issuer: {}, algorithms: [ EdDSA ], jwks: {{ url: http://a }}, subject_prefix: {} }}\n", name,
          prefix);
    };
    return errors(
        "algorithms: [ RS256, ES256 ]\n      jwks: { url: \"http://127.0.0.1:7001/jwks\" }\n",
        fmt::format("algorithms: [ RS256 ]\n      jwks: {{ url: http://a }}\n      subject_prefix: {}\n", first) +
            next("b", second) + next("c", third));
  };
  EXPECT_EQ(prefixes("\"a:\"", "\"b:\"", "c"), Messages{});
  EXPECT_EQ(prefixes("\"\"", "\"b:\"", "\"\""), Messages{});
  EXPECT_EQ(prefixes("\"a:\"", "\"a:\"", "\"b:\""), Messages{});
  EXPECT_EQ(prefixes("\"a:\"", "\"a:b:\"", "\"a\""),
            (Messages{"16:23 `a:` begins with `a`, the prefix of `c`, which could name these users",
                      "17:84 `a:b:` begins with `a:`, the prefix of `https://issuer.example`, which could name these "
                      "users"}));
}

TEST_F(AccessErrors, SecretsAndKeySetsExcludeEachOther) {
  folder_.write("secret", std::string(31, 's') + "\n");
  EXPECT_EQ(secret("algorithms: [ RS256 ]"), (Messages{"13:7 missing required key `jwks`"}));
  EXPECT_EQ(secret("audiences: [ a ]\n      algorithms: [ RS256, HS256 ]\n      secret_file: secret"),
            (Messages{"15:21 `RS256` needs `jwks`, not a `secret_file`",
                      "16:7 the file that `secret_file` names: HS256 needs a secret of at least 32 bytes"}));
  folder_.write("secret", std::string(32, 's') + "\n");
  EXPECT_EQ(secret("algorithms: [ HS256 ]\n      secret_file: secret"),
            (Messages{"15:7 `secret_file` needs `audiences`: whoever shares the secret can make tokens for anyone"}));
  for (std::string_view end : {"\r\n", "\n"}) {
    folder_.write("secret", std::string(31, 's') + std::string(end));
    EXPECT_EQ(secret("audiences: [ a ]\n      algorithms: [ HS256 ]\n      secret_file: secret"),
              (Messages{"16:7 the file that `secret_file` names: HS256 needs a secret of at least 32 bytes"}));
  }
  folder_.write("secret", std::string(32, 's') + "\r\n");
  EXPECT_EQ(
      secret("audiences: [ a ]\n      algorithms: [ HS256 ]\n      secret_file: secret\n      jwks: { url: http://a }"),
      (Messages{"16:7 `secret_file` and `jwks` exclude each other"}));
}

TEST_F(AccessErrors, ApiKeys) {
  for (std::string_view header :
       {"Authorization", "Host", "X-Auth-Key", "Cookie", "a b", "X_API_Key", "Range", "User-Agent", "Cache-Control",
        "Sec-WebSocket-Key", "Origin", "X-Request-Id", "X-", "\"X-a b\"", "Machine-Key"}) {
    std::string shown(header.starts_with('"') ? header.substr(1, header.size() - 2) : header);
    EXPECT_EQ(errors("  clock_skew: 30s\n", "  api_keys: { header: " + std::string(header) + " }\n"),
              (Messages{"11:23 `" + shown +
                        "` cannot carry an API key: a name of up to 64 bytes that begins with X- and means nothing to "
                        "the gateway, or Api-Key, or ApiKey"}));
  }
  for (std::string_view header : {"X-API-Key", "x-api-key", "api-key", "APIKEY", "X-Machine-Key"}) {
    EXPECT_EQ(errors("  clock_skew: 30s\n", "  api_keys: { header: " + std::string(header) + " }\n"), Messages{});
  }
}

// A condition sees what the client sent: where only the gateway's word counts, or a secret stands, there is none.
TEST_F(AccessErrors, ConditionsOnHeadersThatClientsCannotSet) {
  auto condition = [&](std::string_view name) {
    std::string headers = "    headers: { " + std::string(name) + ": a }\n";
    return errors(
        {{"  clock_skew: 30s\n", "  api_keys: { header: X-Machine-Key }\n"}, {"    limits: [ per_user ]\n", headers}});
  };
  auto problem = [](std::string_view name, std::string_view why) {
    return Messages{fmt::format("24:16 `{}` cannot be a condition: {}", name, why)};
  };
  for (std::string_view name : {"X-Auth-Roles", "x-user-id", "X-Consumer-A", "X-Forwarded-Proto", "X-Forwarded-For",
                                "X-Real-IP", "X_Auth_Roles", "X-Original-URL", "Forwarded", "X-Request-Id"}) {
    EXPECT_EQ(condition(name),
              problem(name, "the gateway removes what clients send there, and a route would believe it"));
  }
  for (std::string_view name : {"authorization", "Cookie", "Proxy-Authorization", "X-API-Key"}) {
    EXPECT_EQ(condition(name), problem(name, "it carries credentials, which choose no route"));
  }
  EXPECT_EQ(condition("x-machine-key"), problem("x-machine-key", "it carries API keys, which choose no route"));
  EXPECT_EQ(condition("Host"), problem("Host", "use `host`, which is what the service is told"));
  EXPECT_EQ(condition("X-Version"), Messages{});
}

TEST_F(AccessErrors, WithoutUserManagement) {
  std::string_view service =
      "authorization:\n  user_management: { url: \"http://127.0.0.1:7001\", token_file: service.token }\n";
  EXPECT_EQ(
      errors({{service, ""}, {"    limits: [ per_user ]\n", "    api_keys: true\n"}, {"    require: {", "    #"}}),
      (Messages{"22:5 `api_keys` needs `authorization.user_management`, which keeps them"}));
  EXPECT_EQ(
      errors({{service, ""}, {"      jwks:", "      user_management: true\n      jwks:"}, {"    require: {", "    #"}}),
      (Messages{"15:24 needs `authorization.user_management`, which is not configured"}));
}

TEST_F(AccessErrors, Rules) {
  EXPECT_EQ(route("require: { GET: {}, \"*\": { any: [] } }"),
            (Messages{"23:21 requires nothing; name permissions, roles or scopes",
                      "23:37 expected a permission or a list of permissions with at least one entry, found none"}));
  EXPECT_EQ(
      route("require: { any: [ a:b ] }"),
      (Messages{"23:5 `require` has to say what every other method needs: add `\"*\"`, or give the route `methods`",
                "23:16 `any` is not a method that can be routed; known are GET, HEAD, POST, PUT, PATCH, DELETE, "
                "OPTIONS"}));
  EXPECT_EQ(route("require: { \"*\": { anny: [ a:b ] } }"),
            (Messages{"23:23 unknown key `anny`; did you mean `any`?"}));
  EXPECT_EQ(route("require: { \"*\": { roles: \"a b\", scopes: [ \"a,b\" ], owner_or: users:write } }"),
            (Messages{"23:30 `a b` is not a role: one word of visible ASCII without comma, quote and backslash",
                      "23:47 `a,b` is not a scope: one word of visible ASCII without comma, quote and backslash",
                      "23:56 `owner_or` needs `{subject}` in the route's `path`"}));
  EXPECT_EQ(route("report_only: true"), (Messages{"23:5 `report_only` tries a `require` out, and there is none"}));
}

TEST_F(AccessErrors, Callers) {
  EXPECT_EQ(route("issuers: [ https://issuer.exampel ]"),
            (Messages{"23:16 unknown issuer `https://issuer.exampel`; did you mean `https://issuer.example`?"}));
  EXPECT_EQ(route("issuers: []"), (Messages{"23:14 expected a list of issuers with at least one entry, found none"}));
  EXPECT_EQ(
      errors("public: true", "public: true, api_keys: true, report_only: true, issuers: [ https://issuer.example ]"),
      (Messages{"25:70 a public route cannot have `api_keys`: nobody is known there",
                "25:86 a public route cannot have `report_only`: nobody is known there",
                "25:105 a public route cannot have `issuers`: nobody is known there"}));
  EXPECT_EQ(errors("path: /login", "path: \"/login/{subject}\""),
            (Messages{"25:13 a public route cannot name a `{subject}`: nobody is known there"}));
  EXPECT_EQ(errors("path: /login", "path: \"/{subject}/{subject}\""),
            (Messages{"25:13 `/{subject}/{subject}` holds `{subject}` twice",
                      "25:13 a public route cannot name a `{subject}`: nobody is known there"}));
  EXPECT_EQ(errors("path: /login", "path: \"/users/{id}\""),
            (Messages{"25:13 `/users/{id}` holds a placeholder other than `{subject}`; a route takes everything below "
                      "its path"}));
}

}  // namespace
}  // namespace lotagate::config
