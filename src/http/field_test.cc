#include "http/field.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "http/method.h"

namespace lotagate::http {
namespace {

using namespace std::string_literals;

TEST(ClassifyField, KnowsNamesInAnyCase) {
  EXPECT_EQ(classify_field("Host"), FieldName::host);
  EXPECT_EQ(classify_field("HOST"), FieldName::host);
  EXPECT_EQ(classify_field("te"), FieldName::te);
  EXPECT_EQ(classify_field("Transfer-Encoding"), FieldName::transfer_encoding);
  EXPECT_EQ(classify_field("content-length"), FieldName::content_length);
  EXPECT_EQ(classify_field("HTTP2-Settings"), FieldName::http2_settings);
  EXPECT_EQ(classify_field("x-http-method-override"), FieldName::gateway_owned);
  EXPECT_EQ(classify_field(""), FieldName::other);
  EXPECT_EQ(classify_field("Hos"), FieldName::other);
  EXPECT_EQ(classify_field("Hosts"), FieldName::other);
  EXPECT_EQ(classify_field("Xost"), FieldName::other);
  EXPECT_EQ(classify_field("X-Custom"), FieldName::other);
  EXPECT_EQ(classify_field(std::string(1000, 'a')), FieldName::other);
}

TEST(ClassifyField, I01OwnedNamesAreTheGateways) {
  for (std::string_view name : {"X-User-Id", "x-user-", "X-Auth-Subject", "X-AUTH-ROLES", "X-Consumer-Name",
                                "X-Forwarded-For", "X-Forwarded-Prefix", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL",
                                "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"}) {
    EXPECT_EQ(classify_field(name), FieldName::gateway_owned) << name;
  }
  EXPECT_EQ(classify_field("X-Auth-" + std::string(100, 'a')), FieldName::gateway_owned);
  EXPECT_EQ(classify_field("Forwarded"), FieldName::forwarded);
  EXPECT_EQ(classify_field("X-Request-Id"), FieldName::x_request_id);
  EXPECT_EQ(classify_field("X-Authority"), FieldName::other);
  EXPECT_EQ(classify_field("Y-Auth-Subject"), FieldName::other);
}

TEST(ClassifyField, I02AliasesAreOwnedToo) {
  for (std::string_view name :
       {"X_Auth_Subject", "x.auth.subject", "X-Auth_Subject", "X_Auth-Subject", "X_User.Id", "X_Forwarded_For",
        "Transfer_Encoding", "transfer.encoding", "Content_Length", "X_Request_Id", "X_Real_IP", "keep_alive",
        "WWW_Authenticate", "X_HTTP_Method_Override"}) {
    EXPECT_EQ(classify_field(name), FieldName::gateway_owned) << name;
  }
  EXPECT_EQ(classify_field("X_Auth_" + std::string(100, 'a')), FieldName::gateway_owned);
  EXPECT_EQ(classify_field("X_HTTP_Method_Override_"), FieldName::other);
  EXPECT_EQ(classify_field("my_field.name"), FieldName::other);
  EXPECT_EQ(classify_field("_"), FieldName::other);
}

TEST(HopByHop, FieldsOfOneConnectionAndTheFraming) {
  for (std::string_view name :
       {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
        "HTTP2-Settings", "Proxy-Authenticate", "Proxy-Authorization", "Content-Length", "Expect"}) {
    EXPECT_TRUE(is_hop_by_hop(classify_field(name))) << name;
  }
  for (std::string_view name : {"Host", "Accept", "Authorization", "Cookie", "X-Anything", "Via"}) {
    EXPECT_FALSE(is_hop_by_hop(classify_field(name))) << name;
  }
}

TEST(Token, HasTheCharactersOfRfc9110) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  for (int c = 0; c < 256; ++c) {
    char byte = static_cast<char>(c);
    bool expected = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c != 0 && kMarks.find(byte) != std::string_view::npos);
    EXPECT_EQ(is_token({&byte, 1}), expected) << c;
  }
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a b"));
  EXPECT_TRUE(is_token("a-b"));
  EXPECT_EQ(leading_token_bytes("Name: value"), 4u);
  EXPECT_EQ(leading_token_bytes(": value"), 0u);
  EXPECT_EQ(leading_token_bytes("Name"), 4u);
}

TEST(FieldValue, FindsOneBadByteAnywhere) {
  std::string text(100, 'v');
  EXPECT_TRUE(is_field_value(text));
  EXPECT_TRUE(is_field_value(""));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = '\x7f';
    EXPECT_FALSE(is_field_value(bad)) << i;
    bad[i] = '\0';
    EXPECT_FALSE(is_field_value(bad)) << i;
  }
}

TEST(Method, OnlyIdempotentMethodsMayBeSentAgain) {
  for (std::string_view method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}) EXPECT_TRUE(is_idempotent(method));
  for (std::string_view method : {"POST", "PATCH", "get", "LOCK", ""}) EXPECT_FALSE(is_idempotent(method));
}

}  // namespace
}  // namespace lotagate::http
