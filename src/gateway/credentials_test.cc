#include "gateway/credentials.h"

#include <gtest/gtest.h>

#include <string>

namespace lotagate {
namespace {

// "token TEXT", "api_key TEXT", or the code and the reason of the refusal.
std::string shown(std::string_view fields, const CredentialRules& rules) {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
  http::RequestHead head;
  if (!http::parse_request_head(text, {.head_bytes = 4096, .fields = 100, .target_bytes = 100}, head))
    return "bad head";
  auto found = find_credential(head.fields, rules);
  if (!found) return std::string(error_info(found.error().code).name) + ": " + std::string(found.error().reason);
  return std::string(credential_name(found->kind)) + " " + std::string(found->text);
}

std::string with_keys(std::string_view fields) {
  return shown(fields, {.takes_api_keys = true, .api_key_header = "X-API-Key"});
}

std::string without_keys(std::string_view fields) { return shown(fields, {.api_key_header = "X-API-Key"}); }

TEST(Credentials, TokensByTheirScheme) {
  for (auto* find : {with_keys, without_keys}) {
    EXPECT_EQ(find("Authorization: Bearer a.b.c\r\n"), "token a.b.c");
    EXPECT_EQ(find("authorization: bEARER a b\r\n"), "token a b");
    EXPECT_EQ(find("Authorization: Bearer  a\r\n"), "token  a");  // one space; the rest is the token's, and wrong
    EXPECT_EQ(find(""), "missing_token: no Authorization");
    EXPECT_EQ(find("X-Authorization: Bearer a\r\n"), "missing_token: no Authorization");
    for (std::string_view other : {"Basic YTpi", "Bearer", "Bearer ", "Bearera", "Token Bearer a", ""}) {
      EXPECT_EQ(find("Authorization: " + std::string(other) + "\r\n"), "missing_token: not a bearer token") << other;
    }
  }
}

TEST(Credentials, KeysWhereTheyCount) {
  EXPECT_EQ(with_keys("x-api-KEY: k\r\n"), "api_key k");
  EXPECT_EQ(with_keys("X-API-Key:\r\n"), "api_key ");
  EXPECT_EQ(with_keys("Authorization: Basic YTpi\r\nX-API-Key: k\r\n"), "api_key k");
  EXPECT_EQ(with_keys("X_API_Key: k\r\n"), "missing_token: no Authorization");
  EXPECT_EQ(shown("X-Machine: k\r\nX-API-Key: x\r\n", {.takes_api_keys = true, .api_key_header = "X-Machine"}),
            "api_key k");
  EXPECT_EQ(without_keys("X-API-Key: k\r\n"), "missing_token: no Authorization");
  EXPECT_EQ(without_keys("X-API-Key: k\r\nX-API-Key: k\r\nAuthorization: Bearer a\r\n"), "token a");
}

TEST(Credentials, OneAtATime) {
  EXPECT_EQ(with_keys("X-API-Key: k\r\nx-api-key: k\r\n"), "bad_request: repeated API key");
  EXPECT_EQ(with_keys("X-API-Key:\r\nX-API-Key: k\r\nAuthorization: Bearer a\r\n"), "bad_request: repeated API key");
  EXPECT_EQ(with_keys("Authorization: Bearer a\r\nX-API-Key: k\r\n"), "bad_request: a token and an API key");
  EXPECT_EQ(with_keys("X-API-Key:\r\nAuthorization: Bearer a\r\n"), "bad_request: a token and an API key");
}

}  // namespace
}  // namespace lotagate
