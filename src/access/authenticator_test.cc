#include "access/authenticator.h"

#include <gtest/gtest.h>

#include <string>

#include "jose/test_signer.h"

namespace lotagate::access {
namespace {

using jose::Algorithm;
using jose::jwks_of;
using jose::TestSigner;

constexpr WallTime kNow{seconds(1000000)};
constexpr std::string_view kPayload =
    R"({"iss":"https://a","sub":"u-1","aud":"lotabots","exp":1000060,"tenant":"t-1"})";

std::shared_ptr<const KeySet> keys_of(const std::vector<const TestSigner*>& signers) {
  auto set = parse_jwks(jwks_of(signers));
  EXPECT_TRUE(set) << set.error();
  return std::make_shared<const KeySet>(*std::move(set));
}

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest()
      : authenticator_(
            {.issuers =
                 {{"https://a", {"lotabots"}, {Algorithm::ES256, Algorithm::EdDSA}, "", {}, "", {.tenant = "tenant"}},
                  {"https://b", {}, {Algorithm::EdDSA}}},
             .clock_skew = seconds(30)}) {}

  void use_keys(std::shared_ptr<const KeySet> a, std::uint64_t version_a, std::shared_ptr<const KeySet> b = nullptr,
                std::uint64_t version_b = 0) {
    authenticator_.replace_keys(
        std::make_shared<const KeyRing>(KeyRing{{{std::move(a), version_a}, {std::move(b), version_b}}}));
  }
  void use_default_keys() { use_keys(keys_of({&ec_}), 1, keys_of({&ed_}), 1); }

  // The subject, or why not. A copy: an uncached principal does not outlive this call.
  std::string verdict(std::string_view token, WallTime now = kNow) {
    auto principal = authenticator_.authenticate(token, now);
    return principal ? std::string((*principal)->subject) : std::string(principal.error().reason);
  }

  TestSigner ec_{Algorithm::ES256, "k"};
  TestSigner ed_{Algorithm::EdDSA, "k"};  // K06: the same kid as the other issuer's key
  Authenticator authenticator_;
};

TEST_F(AuthenticatorTest, AGoodTokenGivesItsPrincipal) {
  use_default_keys();
  auto token = ec_.sign(kPayload);
  for (int i = 0; i < 3; ++i) {
    auto principal = authenticator_.authenticate(token, kNow);
    ASSERT_TRUE(principal) << principal.error().reason;
    EXPECT_EQ((*principal)->subject, "u-1");
    EXPECT_EQ((*principal)->issuer, "https://a");
    EXPECT_EQ((*principal)->tenant, "t-1");
    EXPECT_EQ((*principal)->issuer_index, 0u);
    EXPECT_EQ((*principal)->expires, WallTime(seconds(1000060)));
  }
  EXPECT_EQ(authenticator_.counters().hits, 2u);
  EXPECT_EQ(authenticator_.counters().misses, 1u);
  EXPECT_FALSE(authenticator_.take_refetch_request());
}

TEST_F(AuthenticatorTest, K02_KeysNeverFetchedIsNotTheClientsFault) {
  auto token = ec_.sign(kPayload);
  auto before = authenticator_.authenticate(token, kNow);
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().code, ErrorCode::keys_unavailable);
  use_keys(nullptr, 0, keys_of({&ed_}), 1);
  EXPECT_EQ(authenticator_.authenticate(token, kNow).error().code, ErrorCode::keys_unavailable);
  EXPECT_EQ(verdict(ed_.sign(R"({"iss":"https://b","sub":"u-2","exp":1000060})")), "u-2");
  EXPECT_EQ(verdict(ec_.sign(R"({"iss":"https://c","sub":"u-2","exp":1000060})")), "claim_iss_unknown");
}

TEST_F(AuthenticatorTest, J02_OnlyTheIssuersAlgorithms) {
  use_default_keys();
  EXPECT_EQ(verdict(ec_.sign(R"({"iss":"https://b","sub":"u-2","exp":1000060})")), "algorithm_not_allowed");
  TestSigner rsa(Algorithm::RS256, "k");
  EXPECT_EQ(verdict(rsa.sign(kPayload)), "algorithm_not_allowed");
}

TEST_F(AuthenticatorTest, J04_AnUnknownKidAsksForANewSet) {
  use_default_keys();
  TestSigner rotated(Algorithm::ES256, "new");
  EXPECT_EQ(verdict(rotated.sign(kPayload)), "key_unknown");
  auto first = authenticator_.take_refetch_request();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->issuer, 0u);
  EXPECT_FALSE(authenticator_.take_refetch_request()) << "taken once";
  EXPECT_EQ(verdict(rotated.sign(kPayload)), "key_unknown");
  EXPECT_EQ(authenticator_.take_refetch_request()->key, first->key) << "the same kid";
  EXPECT_EQ(verdict(TestSigner(Algorithm::ES256, "newer").sign(kPayload)), "key_unknown");
  EXPECT_NE(authenticator_.take_refetch_request()->key, first->key) << "another kid";
  auto wrong = ec_.sign(kPayload);
  auto stolen = ec_.sign("other");
  EXPECT_EQ(verdict(wrong.substr(0, wrong.rfind('.')) + stolen.substr(stolen.rfind('.'))), "signature_mismatch");
  EXPECT_FALSE(authenticator_.take_refetch_request()) << "a wrong signature is no reason to fetch";
}

TEST_F(AuthenticatorTest, J04_WithoutKidTheFittingKeysAreTried) {
  TestSigner other(Algorithm::ES256, "other");
  TestSigner nameless(Algorithm::ES256, "");
  TestSigner unfit(Algorithm::EdDSA, "unfit");
  use_keys(keys_of({&unfit, &other, &ec_, &nameless}), 1);
  EXPECT_EQ(verdict(ec_.sign_with_header(R"({"alg":"ES256"})", kPayload)), "u-1");
  EXPECT_EQ(verdict(nameless.sign(kPayload)), "u-1");
  TestSigner stranger(Algorithm::ES256, "");
  EXPECT_EQ(verdict(stranger.sign(kPayload)), "signature_mismatch");
  EXPECT_EQ(authenticator_.take_refetch_request()->issuer, 0u);
  EXPECT_EQ(verdict(ec_.sign_with_header(R"({"alg":"ES256","kid":""})", kPayload)), "key_unknown");
}

TEST_F(AuthenticatorTest, K06_AKeyBelongsToItsIssuer) {
  use_default_keys();
  EXPECT_EQ(verdict(ed_.sign(kPayload)), "key_unknown") << "b's key, a's issuer";
  TestSigner b_pretends(Algorithm::EdDSA, "b");
  use_keys(keys_of({&ec_}), 2, keys_of({&b_pretends}), 2);
  EXPECT_EQ(verdict(b_pretends.sign(kPayload)), "key_unknown");
}

TEST_F(AuthenticatorTest, K04_ARemovedKeyStopsVerifyingAtOnce) {
  use_default_keys();
  auto token = ec_.sign(kPayload);
  auto b_token = ed_.sign(R"({"iss":"https://b","sub":"u-2","exp":1000060})");
  EXPECT_EQ(verdict(token), "u-1");
  EXPECT_EQ(verdict(b_token), "u-2");
  TestSigner next(Algorithm::ES256, "next");
  use_keys(keys_of({&next}), 2, keys_of({&ed_}), 1);
  EXPECT_EQ(verdict(token), "key_unknown");
  EXPECT_EQ(verdict(next.sign(kPayload)), "u-1");
  auto hits = authenticator_.counters().hits.load();
  EXPECT_EQ(verdict(b_token), "u-2");
  EXPECT_EQ(authenticator_.counters().hits, hits + 1) << "b's verdicts survive a's rotation";
}

TEST_F(AuthenticatorTest, J12_ACachedTokenExpires) {
  use_default_keys();
  auto token = ec_.sign(kPayload);
  EXPECT_EQ(verdict(token), "u-1");
  EXPECT_EQ(verdict(token, kNow + seconds(60)), "u-1") << "within the skew, verified anew";
  EXPECT_EQ(authenticator_.counters().hits, 0u);
  EXPECT_EQ(authenticator_.counters().entries, 0u);
  auto late = authenticator_.authenticate(token, kNow + seconds(90));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::expired_token);
}

TEST_F(AuthenticatorTest, J13_ClaimsAreCheckedAfterTheSignature) {
  use_default_keys();
  EXPECT_EQ(verdict(ec_.sign(R"({"iss":"https://a","sub":"u-1","aud":"x","exp":1000060})")), "claim_aud_mismatch");
  EXPECT_EQ(verdict(ec_.sign(R"({"iss":"https://a","sub":"u-1","exp":1000060})")), "claim_aud_mismatch");
  EXPECT_EQ(verdict(ec_.sign(R"({"iss":"https://a/","sub":"u-1","aud":"lotabots","exp":1000060})")),
            "claim_iss_unknown");
  EXPECT_EQ(verdict(ec_.sign("foo")), "json_malformed");
}

TEST_F(AuthenticatorTest, J17_RefusalsAreNotCached) {
  use_default_keys();
  auto token = ec_.sign(R"({"iss":"https://a","sub":"u-1","aud":"lotabots","exp":1000060,"nbf":1000050})");
  EXPECT_EQ(verdict(token), "claim_nbf_in_future") << "20 s beyond the skew";
  EXPECT_EQ(verdict("a.b.c"), "token_not_base64url");
  EXPECT_EQ(authenticator_.counters().entries, 0u);
  EXPECT_EQ(verdict(token, kNow + seconds(20)), "u-1") << "the same token is good later";
}

TEST_F(AuthenticatorTest, J11_TokensBeyondTheLimitAreNotLookedAt) {
  use_default_keys();
  EXPECT_EQ(verdict(std::string(8 * 1024 + 1, 'a')), "token_too_large");
  EXPECT_EQ(authenticator_.counters().misses, 0u);
}

}  // namespace
}  // namespace lotagate::access
