#include "gateway/discovery.h"

#include <gtest/gtest.h>

#include "config/values.h"

namespace lotagate {
namespace {

constexpr std::string_view kIssuer = "https://id.example";

std::string document(std::string_view issuer, std::string_view jwks_uri) {
  return "{\"issuer\":\"" + std::string(issuer) + "\",\"response_types_supported\":[\"code\"],\"jwks_uri\":\"" +
         std::string(jwks_uri) + "\"}";
}

std::string verdict(std::string_view json, std::string_view source = "https://id.example/metadata") {
  auto url = parse_discovery(json, kIssuer, *config::parse_url(source));
  return url ? url->text : "refused: " + url.error();
}

TEST(Discovery, NamesWhereTheKeysAre) {
  EXPECT_EQ(verdict(document(kIssuer, "https://id.example/keys?x=1")), "https://id.example/keys?x=1");
  EXPECT_EQ(verdict(document(kIssuer, "https://keys.elsewhere.example:8443/")), "https://keys.elsewhere.example:8443/");
  EXPECT_EQ(verdict(document(kIssuer, "http://10.0.0.1/keys"), "http://10.0.0.1/metadata"), "http://10.0.0.1/keys");
  EXPECT_EQ(verdict(document(kIssuer, "https://id.example/keys"), "http://10.0.0.1/"), "https://id.example/keys");
}

TEST(Discovery, TheIssuerIsExactlyTheOneExpected) {
  for (std::string_view other : {"https://id.example/", "https://ID.example", "http://id.example", "https://id.exampl",
                                 "https://id.example.evil", "", "https://id.example\\u0000"}) {
    EXPECT_EQ(verdict(document(other, "https://id.example/keys")), "refused: its `issuer` is another one") << other;
  }
}

TEST(Discovery, RefusesAddressesOfOtherKinds) {
  EXPECT_EQ(verdict(document(kIssuer, "http://id.example/keys")),
            "refused: its `jwks_uri` is not https, though the document came over https");
  for (std::string_view address : {"", "/keys", "//id.example/keys", "file:///etc/passwd", "ftp://id.example/keys",
                                   "https://", "https://a:b@id.example/", "https://id.example/keys#part",
                                   "https://id.example:99999/", "https://id.example/ke ys", "https://id.exam\\nple/"}) {
    auto found = verdict(document(kIssuer, address));
    EXPECT_TRUE(found.starts_with("refused: its `jwks_uri`: ")) << address << ": " << found;
  }
}

TEST(Discovery, RefusesOtherDocuments) {
  const std::string good = document(kIssuer, "https://id.example/keys");
  EXPECT_EQ(verdict(""), "refused: json_malformed");
  EXPECT_TRUE(verdict("<html>").starts_with("refused: "));
  EXPECT_TRUE(verdict("[" + good + "]").starts_with("refused: no text `issuer`"));
  EXPECT_TRUE(verdict("null").starts_with("refused: no text `issuer`"));
  EXPECT_TRUE(verdict(R"({"issuer":["https://id.example"],"jwks_uri":"https://a/"})").starts_with("refused: no text"));
  EXPECT_EQ(verdict(R"({"issuer":"https://id.example"})"), "refused: no text `jwks_uri`");
  EXPECT_EQ(verdict(R"({"issuer":"https://id.example","jwks_uri":5})"), "refused: no text `jwks_uri`");
  EXPECT_TRUE(verdict(good + "{}").starts_with("refused: json"));
  // Two readers could take different ones.
  auto twice = good.substr(0, good.size() - 1) + R"(,"jwks_uri":"https://evil.example/"})";
  EXPECT_TRUE(verdict(twice).starts_with("refused: json")) << verdict(twice);
  EXPECT_TRUE(verdict(good + std::string(kMaxDiscoveryBytes, ' ')).starts_with("refused: ")) << "too large";
  EXPECT_TRUE(verdict(std::string(64, '[') + std::string(64, ']')).starts_with("refused: ")) << "too deep";
}

}  // namespace
}  // namespace lotagate
