// Public vectors (tests/vectors/README.md) against JWS verification. A vector for an algorithm that is not supported
// must be refused; every other one must get its label, but for the ids listed below with the reason.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <set>
#include <string>

#include "jose/jws.h"
#include "jose/key.h"

namespace lotagate::jose {
namespace {

namespace dom = simdjson::dom;

dom::element load(dom::parser& parser, const std::string& name) {
  return parser.load(std::string(LG_SOURCE_DIR "/tests/vectors/") + name);
}

std::string text_of(dom::element element) {
  std::string_view text;
  return element.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(element);
}

// Accepted, or the reason.
std::string_view verdict(const std::string& token, const std::string& jwk) {
  auto key = parse_jwk(jwk);
  if (!key) return key.error();
  auto jws = verify_compact_jws(token, *key);
  return jws ? "accepted" : jws.error();
}

// The algorithm is at fault, said by the key or by the token.
bool unsupported(std::string_view verdict) {
  return verdict == "header_algorithm_unsupported" || verdict == "key_algorithm_unsupported" ||
         verdict == "key_curve_unsupported" || verdict == "key_not_public";
}

struct Exception {
  std::string_view verdict;
  std::string_view reason;
};
using Exceptions = std::map<std::int64_t, Exception>;

struct Tally {
  int accepted = 0;
  int refused = 0;
  int unsupported = 0;
};

void run_group(dom::element group, const Exceptions& exceptions, Tally& tally) {
  dom::element key;
  bool has_key = group["public"].get(key) == simdjson::SUCCESS || group["private"].get(key) == simdjson::SUCCESS;
  ASSERT_TRUE(has_key);
  for (dom::element test : dom::array(group["tests"])) {
    dom::element token;
    if (test["jws"].get(token) != simdjson::SUCCESS) token = test["jwe"];
    auto id = std::int64_t(test["tcId"]);
    std::string_view got = verdict(text_of(token), text_of(key));
    ++(got == "accepted" ? tally.accepted : unsupported(got) ? tally.unsupported : tally.refused);
    SCOPED_TRACE(text_of(group["comment"]) + " " + std::to_string(id) + " " + text_of(test["comment"]));
    if (auto exception = exceptions.find(id); exception != exceptions.end()) {
      EXPECT_EQ(got, exception->second.verdict) << exception->second.reason;
    } else if (text_of(test["result"]) == "valid" && unsupported(got)) {
      EXPECT_FALSE(parse_compact_jws(text_of(token))) << "refused whatever the key";
    } else {
      EXPECT_EQ(got == "accepted", text_of(test["result"]) == "valid") << got;
    }
  }
}

Tally run_wycheproof(const std::string& file, const Exceptions& exceptions) {
  dom::parser parser;
  Tally tally;
  for (dom::element group : dom::array(load(parser, file)["testGroups"])) run_group(group, exceptions, tally);
  return tally;
}

TEST(WycheproofVectors, JsonWebSignature) {
  Tally tally = run_wycheproof("wycheproof/json_web_signature_test.json", {});
  EXPECT_EQ(tally.accepted, 10);
  EXPECT_EQ(tally.unsupported, 126);
  EXPECT_EQ(tally.refused, 265);
}

TEST(WycheproofVectors, JsonWebCrypto) {
  const Exceptions contradictions{
      {46,
       {"accepted",
        "ROCA (CVE-2017-15361) is about how a key was made: RFC 7515 and 7517 ask no verifier to look for it, and keys "
        "come from the configured issuer only"}},
      {48, {"key_type_missing", "the key is a JWK Set, not a JWK (and of HS256, which is not supported)"}},
  };
  Tally tally = run_wycheproof("wycheproof/json_web_crypto_test.json", contradictions);
  EXPECT_EQ(tally.accepted, 3);
  EXPECT_EQ(tally.accepted + tally.unsupported + tally.refused, 83);
}

// The JWK of a cookbook example without its private members.
std::string public_part(dom::object jwk) {
  std::string out;
  for (dom::key_value_pair member : jwk) {
    static const std::set<std::string_view> kPrivate{"d", "p", "q", "dp", "dq", "qi"};
    if (kPrivate.contains(member.key)) continue;
    out += (out.empty() ? "{\"" : ",\"") + std::string(member.key) + "\":" + simdjson::minify(member.value);
  }
  return out + "}";
}

// The verdict on the compact serialisation of one example.
std::string_view cookbook_verdict(const std::string& file) {
  dom::parser parser;
  dom::element example = load(parser, "jose-cookbook/" + file);
  return verdict(text_of(example["output"]["compact"]), public_part(example["input"]["key"]));
}

TEST(CookbookVectors, SupportedExamplesVerify) {
  EXPECT_EQ(cookbook_verdict("jws_4_1.rsa_v15_signature.json"), "accepted");  // RFC 7520 4.1
  EXPECT_EQ(cookbook_verdict("curve25519_jws.json"), "accepted");             // RFC 8037 A.4
}

TEST(CookbookVectors, OtherAlgorithmsAreRefused) {
  EXPECT_EQ(cookbook_verdict("jws_4_2.rsa-pss_signature.json"), "header_algorithm_unsupported");
  EXPECT_EQ(cookbook_verdict("jws_4_3.ecdsa_signature.json"), "key_curve_unsupported");  // P-521
  EXPECT_EQ(cookbook_verdict("jws_4_4.hmac-sha2_integrity_protection.json"), "key_not_public");
  EXPECT_EQ(cookbook_verdict("jws_4_5.signature_with_detached_content.json"), "key_not_public");
  EXPECT_EQ(cookbook_verdict("rfc7797_hmac-sha2_b64_false.json"), "key_not_public");
}

TEST(CookbookVectors, JsonSerialisationsAreRefused) {
  for (auto file : {"jws_4_1.rsa_v15_signature.json", "jws_4_6.protecting_specific_header_fields.json",
                    "jws_4_7.protecting_content_only.json", "jws_4_8.multiple_signatures.json"}) {
    dom::parser parser;
    dom::element example = load(parser, std::string("jose-cookbook/") + file);
    auto serialised = parse_compact_jws(simdjson::minify(dom::element(example["output"]["json"])));
    ASSERT_FALSE(serialised) << file;
    EXPECT_EQ(serialised.error(), "token_not_three_parts");
  }
}

TEST(CookbookVectors, PublicKeysLoadAndPrivateOnesDoNot) {
  dom::parser parser;
  auto reason = [&](const std::string& file) {
    auto key = parse_jwk(simdjson::minify(load(parser, "jose-cookbook/" + file)));
    return key ? "usable" : key.error();
  };
  EXPECT_EQ(reason("jwk_3_3.rsa_public_key.json"), "usable");
  EXPECT_EQ(reason("jwk_3_1.ec_public_key.json"), "key_curve_unsupported");  // P-521
  for (auto file :
       {"jwk_3_2.ec_private_key.json", "jwk_3_4.rsa_private_key.json", "jwk_3_5.symmetric_key_mac_computation.json"}) {
    EXPECT_EQ(reason(file), "key_not_public") << file;
  }
}

}  // namespace
}  // namespace lotagate::jose
