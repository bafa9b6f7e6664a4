#include "access/key_set.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <string>

#include "jose/jws.h"
#include "jose/test_signer.h"

namespace lotagate::access {
namespace {

using jose::Algorithm;
using jose::jwks_of;
using jose::TestSigner;

std::string set_of(std::initializer_list<std::string> jwks) {
  std::string out = R"({"keys":[)";
  for (const auto& jwk : jwks) out += (out.ends_with('[') ? "" : ",") + jwk;
  return out + "]}";
}

std::string refusal(std::string_view json) {
  auto set = parse_jwks(json);
  return set ? "" : set.error();
}

struct Signers {
  TestSigner rsa{Algorithm::RS256, "rsa"};
  TestSigner ec{Algorithm::ES256, "ec"};
  TestSigner ed{Algorithm::EdDSA, "ed"};
};
const Signers& signers() {
  static const Signers all;
  return all;
}

TEST(KeySet, FindsByKidAndAlgorithm) {
  auto set = parse_jwks(jwks_of({&signers().rsa, &signers().ec, &signers().ed}));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->keys().size(), 3u);
  ASSERT_NE(set->find("ec", Algorithm::ES256), nullptr);
  EXPECT_EQ(set->find("ec", Algorithm::ES256)->kid(), "ec");
  EXPECT_EQ(set->find("ec", Algorithm::RS256), nullptr);
  EXPECT_EQ(set->find("EC", Algorithm::ES256), nullptr);
  EXPECT_EQ(set->find("", Algorithm::ES256), nullptr);
}

TEST(KeySet, WithoutKidAtMostFourKeysAreTried) {
  std::vector<TestSigner> ec;
  std::vector<const TestSigner*> all{&signers().rsa};
  for (int i = 0; i < 6; ++i) ec.emplace_back(Algorithm::ES256, "ec" + std::to_string(i));
  for (const auto& signer : ec) all.push_back(&signer);
  auto set = parse_jwks(jwks_of(all));
  ASSERT_TRUE(set);
  EXPECT_EQ(set->find_without_kid(Algorithm::ES256).all().size(), kMaxKeyTries);
  EXPECT_EQ(set->find_without_kid(Algorithm::RS256).all().size(), 1u);
  EXPECT_EQ(set->find_without_kid(Algorithm::EdDSA).all().size(), 0u);
}

TEST(Attack, J08_UnusableKeysAreSkippedOneByOne) {
  auto set =
      parse_jwks(set_of({signers().ec.jwk(), R"({"kty":"XYZ","kid":"x"})", R"({"kty":"RSA","kid":"r"})", "5",
                         R"({"kty":"EC","crv":"P-384"})", "{" + signers().rsa.jwk_numbers() + R"(,"use":"enc"})"}));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->keys().size(), 1u);
  ASSERT_EQ(set->skipped().size(), 5u);
  EXPECT_EQ(set->skipped()[0].kid, "x");
  EXPECT_EQ(set->skipped()[0].reason, "key_type_unsupported");
  EXPECT_EQ(set->skipped()[4].reason, "key_not_for_signatures");
}

TEST(Attack, K01_SetsThatAreNone) {
  for (std::string_view json :
       {"", "<html>", "[]", "{}", R"({"keys":{}})", R"({"keys":[],"keys":[]})", R"({"Keys":[]})"}) {
    EXPECT_NE(refusal(json), "") << json;
  }
  EXPECT_EQ(refusal(R"({"keys":[]})"), "no usable key: the set is empty");
  EXPECT_EQ(refusal(R"({"keys":[{"kty":"XYZ"}]})"), "no usable key: key_type_unsupported");
  EXPECT_EQ(refusal(R"({"keys":[)" + std::string(kMaxJwksBytes, ' ') + "]}"), "json_too_large");
  std::string many;
  for (std::size_t i = 0; i <= kMaxJwksKeys; ++i) many += ",{}";
  EXPECT_EQ(refusal(R"({"keys":[)" + many.substr(1) + "]}"), "more than 100 keys");
}

TEST(Attack, K05_PoisonedSetsAreRefusedWhole) {
  auto good = signers().ec.jwk();
  EXPECT_EQ(refusal(set_of({good, R"({"kty":"oct","k":"AAAA","kid":"s"})"})), "a key is symmetric or private");
  EXPECT_EQ(refusal(set_of({good, R"({"kty":"XYZ","d":"AA"})"})), "a key is symmetric or private");
  EXPECT_EQ(refusal(set_of({good, "{" + signers().rsa.jwk_numbers() + R"(,"p":"AA"})"})),
            "a key is symmetric or private");
  EXPECT_EQ(refusal(set_of({good, R"({"kty":"XYZ","kid":"ec"})"})), "two keys have the same kid");
  EXPECT_EQ(refusal(set_of({good, signers().ed.jwk(), good})), "two keys have the same kid");
}

TEST(KeySet, KeysWithoutKidDoNotCollide) {
  auto set = parse_jwks(set_of({"{" + signers().ec.jwk_numbers() + "}", "{" + signers().ed.jwk_numbers() + "}"}));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->keys().size(), 2u);
}

// Accepted, or why the set or the token is not.
std::string vector_verdict(std::string_view jwks, std::string_view token) {
  auto set = parse_jwks(jwks);
  if (!set) return set.error();
  auto jws = jose::parse_compact_jws(token);
  if (!jws) return std::string(jws.error());
  const auto* key = jws->kid ? set->find(*jws->kid, jws->algorithm) : nullptr;
  if (key == nullptr) return "key_unknown";
  auto verified = jose::verify_signature(*jws, *key);
  return verified ? "accepted" : std::string(verified.error());
}

TEST(WycheproofVectors, JsonWebKey) {
  // Labels that say more than the RFCs ask, with what is answered instead.
  const std::map<std::int64_t, std::string> contradictions{
      // ROCA (CVE-2017-15361) is about how a key was made; RFC 7517 asks nobody to look for it in an issuer's own set.
      {7, "accepted"},
      // Labelled valid: sets of symmetric keys, which no issuer may publish; HS is not supported.
      {2, "a key is symmetric or private"},
      {13, "a key is symmetric or private"},
      {14, "a key is symmetric or private"},
      {15, "a key is symmetric or private"},

  };
  simdjson::dom::parser parser;
  simdjson::dom::element document = parser.load(LG_SOURCE_DIR "/tests/vectors/wycheproof/json_web_key_test.json");
  int run = 0;
  for (simdjson::dom::element group : simdjson::dom::array(document["testGroups"])) {
    simdjson::dom::element keys;
    if (group["public"].get(keys) != simdjson::SUCCESS) keys = group["private"];
    for (simdjson::dom::element test : simdjson::dom::array(group["tests"])) {
      ++run;
      auto id = std::int64_t(test["tcId"]);
      auto got = vector_verdict(simdjson::minify(keys), std::string_view(test["jws"]));
      auto contradiction = contradictions.find(id);
      if (contradiction != contradictions.end()) {
        EXPECT_EQ(got, contradiction->second) << id;
      } else {
        EXPECT_EQ(got == "accepted", std::string_view(test["result"]) == "valid")
            << id << " " << std::string_view(test["comment"]) << ": " << got;
      }
    }
  }
  EXPECT_EQ(run, 26);
}

}  // namespace
}  // namespace lotagate::access
