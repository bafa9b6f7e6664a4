#include "access/key_set.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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
                         R"({"kty":"EC","crv":"P-192"})", "{" + signers().rsa.jwk_numbers() + R"(,"use":"enc"})"}));
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

// The secret with which the tests of secret sets sign.
std::string secret_of(std::size_t bytes) { return std::string(bytes, 's'); }

TEST(SecretKeySet, AKidHasNothingToChoose) {
  const Algorithm algorithms[] = {Algorithm::HS256, Algorithm::HS512};
  auto set = secret_key_set(secret_of(64), algorithms);
  ASSERT_TRUE(set) << set.error();
  for (Algorithm algorithm : algorithms) {
    auto candidates = set->find_without_kid(algorithm);
    ASSERT_EQ(candidates.count, 1u);
    EXPECT_EQ(candidates.keys[0]->algorithm(), algorithm);
    for (auto kid : {"", "any", "other"}) EXPECT_EQ(set->find(kid, algorithm), candidates.keys[0]);
  }
  EXPECT_EQ(set->find("any", Algorithm::HS384), nullptr);
  EXPECT_EQ(set->find("any", Algorithm::RS256), nullptr);
  EXPECT_EQ(set->find_without_kid(Algorithm::HS384).count, 0u);
}

TEST(SecretKeySet, VerifiesWhatTheSecretSigned) {
  TestSigner signer(Algorithm::HS384, "named");
  const Algorithm algorithms[] = {Algorithm::HS384};
  auto set = secret_key_set(signer.secret(), algorithms);
  ASSERT_TRUE(set) << set.error();
  EXPECT_TRUE(jose::verify_compact_jws(signer.sign("{}"), *set->find("named", Algorithm::HS384)));
  TestSigner stranger(Algorithm::HS384, "named");
  EXPECT_FALSE(jose::verify_compact_jws(stranger.sign("{}"), *set->find("named", Algorithm::HS384)));
}

TEST(SecretKeySet, Refusals) {
  auto reason = [](std::size_t bytes, std::initializer_list<Algorithm> algorithms) {
    auto set = secret_key_set(secret_of(bytes), std::vector(algorithms));
    return set ? "" : set.error();
  };
  EXPECT_EQ(reason(64, {}), "a secret without an algorithm");
  EXPECT_EQ(reason(64, {Algorithm::HS256, Algorithm::RS256}), "RS256 needs public keys, not a secret");
  EXPECT_EQ(reason(64, {Algorithm::HS256, Algorithm::HS256}), "HS256 is listed twice");
  EXPECT_EQ(reason(31, {Algorithm::HS256}), "HS256 needs a secret of at least 32 bytes");
  EXPECT_EQ(reason(63, {Algorithm::HS256, Algorithm::HS384, Algorithm::HS512}),
            "HS512 needs a secret of at least 64 bytes");
  EXPECT_EQ(reason(64, {Algorithm::HS256, Algorithm::HS384, Algorithm::HS512}), "");
}

TEST(Attack, J02_NoKeyOfASetVerifiesHmac) {
  auto set = parse_jwks(jwks_of({&signers().rsa, &signers().ec, &signers().ed}));
  ASSERT_TRUE(set) << set.error();
  for (auto algorithm : {Algorithm::HS256, Algorithm::HS384, Algorithm::HS512}) {
    EXPECT_EQ(set->find_without_kid(algorithm).count, 0u);
    for (auto kid : {"rsa", "ec", "ed"}) EXPECT_EQ(set->find(kid, algorithm), nullptr);
  }
}

TEST(KeySet, KeysWithoutKidDoNotCollide) {
  auto set = parse_jwks(set_of({"{" + signers().ec.jwk_numbers() + "}", "{" + signers().ed.jwk_numbers() + "}"}));
  ASSERT_TRUE(set) << set.error();
  EXPECT_EQ(set->keys().size(), 2u);
}

}  // namespace
}  // namespace lotagate::access
