// Public vectors (tests/vectors/README.md), each as the product would meet it: a published key set or a configured
// secret, and a compact token. Every vector gets its label but for those in one table, each with the reason.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "access/key_set.h"
#include "jose/base64url.h"
#include "jose/jws.h"

namespace lotagate::access {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kSignature = "wycheproof/json_web_signature_test.json";
constexpr std::string_view kCrypto = "wycheproof/json_web_crypto_test.json";
constexpr std::string_view kKey = "wycheproof/json_web_key_test.json";
constexpr std::string_view kCookbook = "jose-cookbook/";

struct Contradiction {
  std::string_view file;
  std::string_view vector;   // tcId, or the cookbook's file
  std::string_view verdict;  // in place of what the label says
  std::string_view reason;
};

// A label that says something else than RFC 7515 or than the rules of this product. An entry that no vector needs, or
// whose verdict agrees with the label, fails the test.
constexpr Contradiction kContradictions[] = {
    {kSignature, "346", "key_unknown", "labelled valid: a PS384 token for a key whose `alg` says PS256 (RFC 8725 3.1)"},
    {kSignature, "350", "key_unknown", "labelled valid: a PS384 token for a key whose `alg` says PS256 (RFC 8725 3.1)"},
    {kSignature, "347", "no usable key: key_algorithm_unsupported", "labelled valid: no algorithm is called ES521"},
    {kSignature, "351", "no usable key: key_algorithm_unsupported", "labelled valid: no algorithm is called ES521"},
    {kSignature, "372", "token_not_base64url", "labelled valid: `?` is no character of base64url (RFC 7515 2)"},
    {kSignature, "373", "token_not_base64url", "labelled valid: `?` is no character of base64url (RFC 7515 2)"},
    {kSignature, "367", "accepted",
     "labelled invalid: without the padding it speaks of, it is vector 357, a valid one"},
    {kSignature, "370", "accepted",
     "labelled invalid: without the padding it speaks of, it is vector 357, a valid one"},
    {kCrypto, "46", "accepted",
     "labelled invalid: ROCA (CVE-2017-15361) is about how a key was made; RFC 7515 and 7517 ask no verifier to look "
     "for it, and keys come from the configured issuer only"},
    {kKey, "7", "accepted", "labelled invalid: ROCA, as above"},
    {kCrypto, "48", "a key is symmetric or private", "labelled valid: no issuer may publish symmetric keys (K05)"},
    {kKey, "2", "a key is symmetric or private", "labelled valid: no issuer may publish symmetric keys (K05)"},
    {kCrypto, "50", "no usable key: a symmetric JWK without an HMAC algorithm", "labelled valid: JWE (J15)"},
    {kCrypto, "67", "a key is symmetric or private", "labelled valid: JWE, with a private key (J15)"},
    {kCookbook, "jws_4_2.rsa-pss_signature.json", "key_unknown",
     "the key has no `alg`, so it stands for RS256 (RFC 8725 3.1: one algorithm per key); see the test below"},
    {kCookbook, "jws_4_5.signature_with_detached_content.json", "signature_mismatch",
     "a detached payload (RFC 7515 F) is not in the token"},
    {kCookbook, "rfc7797_hmac-sha2_b64_false.json", "token_not_base64url",
     "an unencoded payload (RFC 7797) is not for JWT"},
    {kCookbook, "jws_4_6.protecting_specific_header_fields.json", "token_not_three_parts",
     "there is only a JSON serialisation (J15)"},
    {kCookbook, "jws_4_7.protecting_content_only.json", "token_not_three_parts",
     "there is only a JSON serialisation (J15)"},
    {kCookbook, "jws_4_8.multiple_signatures.json", "token_not_three_parts",
     "there is only a JSON serialisation (J15)"},
    {kCookbook, "rfc7797_4.2.hmac-sha2_b64_false.json", "token_not_three_parts",
     "there is only a JSON serialisation (J15)"},
    {kCookbook, "curve25519_ecdh-es.json", "a key is symmetric or private", "JWE, with a private key (J15)"},
};

const Contradiction* contradiction_of(std::string_view file, std::string_view vector) {
  for (const auto& entry : kContradictions) {
    if (entry.file == file && entry.vector == vector) return &entry;
  }
  return nullptr;
}

dom::element load(dom::parser& parser, std::string_view name) {
  return parser.load(std::string(LG_SOURCE_DIR "/tests/vectors/") + std::string(name));
}

// A text member or the JSON of any other; empty when it is absent.
std::string text_of(simdjson::simdjson_result<dom::element> result) {
  dom::element element;
  if (result.get(element) != simdjson::SUCCESS) return {};
  std::string_view text;
  return element.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(element);
}

// What an operator would write into the configuration for this symmetric JWK.
std::expected<KeySet, std::string> configured_secret(dom::element jwk) {
  auto algorithm = jose::parse_algorithm(text_of(jwk["alg"]));
  auto secret = jose::base64url_decode(text_of(jwk["k"]));
  if (!algorithm || !secret) return std::unexpected("no usable key: a symmetric JWK without an HMAC algorithm");
  return secret_key_set(*secret, std::vector{*algorithm});
}

// The keys of a vector: one symmetric JWK is a configured secret, everything else a document of the issuer.
std::expected<KeySet, std::string> keys_of(dom::element keys) {
  dom::array set;
  if (keys["keys"].get(set) != simdjson::SUCCESS) {
    if (text_of(keys["kty"]) == "oct") return configured_secret(keys);
    return parse_jwks(R"({"keys":[)" + simdjson::minify(keys) + "]}");
  }
  if (set.size() == 1 && text_of(set.at(0)["kty"]) == "oct") return configured_secret(set.at(0));
  return parse_jwks(simdjson::minify(keys));
}

// Accepted, or why the keys or the token are not.
std::string verdict(const std::expected<KeySet, std::string>& keys, std::string_view token) {
  if (!keys) return keys.error();
  auto jws = jose::parse_compact_jws(token);
  if (!jws) return std::string(jws.error());
  KeyCandidates candidates = keys->find_without_kid(jws->algorithm);
  if (jws->kid) {
    candidates.keys[0] = keys->find(*jws->kid, jws->algorithm);
    candidates.count = candidates.keys[0] == nullptr ? 0 : 1;
  }
  std::string reason = "key_unknown";
  for (const auto* key : candidates.all()) {
    auto verified = jose::verify_signature(*jws, *key);
    if (verified) return "accepted";
    reason = verified.error();
  }
  return reason;
}

// How often each verdict was given: shows that vectors are refused for what is wrong with them.
using Tally = std::map<std::string, int, std::less<>>;

void check(std::string_view file, const std::string& vector, bool valid, const std::string& got, Tally& tally) {
  ++tally[got];
  if (const Contradiction* contradiction = contradiction_of(file, vector)) {
    EXPECT_EQ(got, contradiction->verdict) << vector << ": " << contradiction->reason;
    EXPECT_NE(contradiction->verdict == "accepted", valid) << vector << " contradicts nothing: strike it off the table";
  } else {
    EXPECT_EQ(got == "accepted", valid) << file << " " << vector << ": " << got;
  }
}

Tally run_wycheproof(std::string_view file) {
  dom::parser parser;
  Tally tally;
  for (dom::element group : dom::array(load(parser, file)["testGroups"])) {
    dom::element keys;
    if (group["public"].get(keys) != simdjson::SUCCESS) keys = group["private"];
    auto set = keys_of(keys);
    for (dom::element test : dom::array(group["tests"])) {
      auto token = text_of(test["jws"]);
      if (token.empty()) token = text_of(test["jwe"]);
      check(file, text_of(test["tcId"]), text_of(test["result"]) == "valid", verdict(set, token), tally);
    }
  }
  return tally;
}

// The JWK of a cookbook example without its private members; a secret stays.
std::string public_part(dom::element jwk) {
  std::string out;
  for (dom::key_value_pair member : dom::object(jwk)) {
    static const std::set<std::string_view> kPrivate{"d", "p", "q", "dp", "dq", "qi"};
    if (kPrivate.contains(member.key)) continue;
    out += (out.empty() ? "{\"" : ",\"") + std::string(member.key) + "\":" + simdjson::minify(member.value);
  }
  return out + "}";
}

// The verdict on one example: its compact serialisation, or its JSON one if there is no other.
std::string cookbook_verdict(const std::string& file, std::string_view more_members = "") {
  dom::parser parser;
  dom::parser key_parser;
  dom::element example = load(parser, std::string(kCookbook) + file);
  dom::element key = example["input"]["key"];
  if (key.is_array()) key = key.at(0);
  std::string jwk = file.starts_with("jws") || file.ends_with("jws.json") ? public_part(key) : simdjson::minify(key);
  jwk.insert(jwk.size() - 1, more_members);
  auto token = text_of(example["output"]["compact"]);
  if (token.empty()) token = text_of(example["output"]["json"]);
  return verdict(keys_of(key_parser.parse(jwk)), token);
}

TEST(WycheproofVectors, JsonWebSignature) {
  const Tally expected{{"accepted", 42},
                       {"json_malformed", 3},
                       {"key_unknown", 10},
                       {"no usable key: key_algorithm_unsupported", 2},
                       {"no usable key: key_not_for_signatures", 2},
                       {"no usable key: key_not_for_verifying", 2},
                       {"signature_mismatch", 297},
                       {"token_not_base64url", 14},
                       {"token_not_signed", 11},
                       {"token_not_three_parts", 18}};
  EXPECT_EQ(run_wycheproof(kSignature), expected);
}

TEST(WycheproofVectors, JsonWebCrypto) {
  const Tally expected{{"a key is symmetric or private", 20},
                       {"accepted", 4},
                       {"json_malformed", 3},
                       {"key_unknown", 3},
                       {"no usable key: a symmetric JWK without an HMAC algorithm", 17},
                       {"signature_mismatch", 11},
                       {"token_not_signed", 7},
                       {"token_not_three_parts", 18}};
  EXPECT_EQ(run_wycheproof(kCrypto), expected);
}

TEST(WycheproofVectors, JsonWebKey) {
  const Tally expected{{"HS256 needs a secret of at least 32 bytes", 2},
                       {"HS384 needs a secret of at least 48 bytes", 2},
                       {"HS512 needs a secret of at least 64 bytes", 2},
                       {"a key is symmetric or private", 4},
                       {"accepted", 5},
                       {"no usable key: a symmetric JWK without an HMAC algorithm", 2},
                       {"no usable key: key_algorithm_contradicts_type", 2},
                       {"no usable key: key_algorithm_unsupported", 2},
                       {"no usable key: key_exponent_weak", 1},
                       {"no usable key: key_modulus_too_short", 1},
                       {"no usable key: key_not_for_signatures", 2},
                       {"no usable key: key_point_off_curve", 1}};
  EXPECT_EQ(run_wycheproof(kKey), expected);
}

TEST(CookbookVectors, Signatures) {
  Tally tally;
  for (std::string file :
       {"jws_4_1.rsa_v15_signature.json", "jws_4_2.rsa-pss_signature.json", "jws_4_3.ecdsa_signature.json",
        "jws_4_4.hmac-sha2_integrity_protection.json", "jws_4_5.signature_with_detached_content.json",
        "jws_4_6.protecting_specific_header_fields.json", "jws_4_7.protecting_content_only.json",
        "jws_4_8.multiple_signatures.json", "curve25519_jws.json", "curve25519_ecdh-es.json",
        "rfc7797_hmac-sha2_b64_false.json", "rfc7797_4.2.hmac-sha2_b64_false.json"}) {
    check(kCookbook, file, true, cookbook_verdict(file), tally);
  }
  const Tally expected{{"a key is symmetric or private", 1},
                       {"accepted", 4},
                       {"key_unknown", 1},
                       {"signature_mismatch", 1},
                       {"token_not_base64url", 1},
                       {"token_not_three_parts", 4}};
  EXPECT_EQ(tally, expected);
}

TEST(CookbookVectors, AnRsaKeyVerifiesPssIfItSaysSo) {  // RFC 7520 4.2
  EXPECT_EQ(cookbook_verdict("jws_4_2.rsa-pss_signature.json", R"(,"alg":"PS384")"), "accepted");
  EXPECT_EQ(cookbook_verdict("jws_4_2.rsa-pss_signature.json", R"(,"alg":"PS512")"), "key_unknown");
}

TEST(CookbookVectors, PublicKeysLoadAndOthersDoNot) {
  dom::parser parser;
  auto reason = [&](const std::string& file) {
    auto set = parse_jwks(R"({"keys":[)" + simdjson::minify(load(parser, std::string(kCookbook) + file)) + "]}");
    return set ? "usable" : set.error();
  };
  EXPECT_EQ(reason("jwk_3_1.ec_public_key.json"), "usable");
  EXPECT_EQ(reason("jwk_3_3.rsa_public_key.json"), "usable");
  for (auto file : {"jwk_3_2.ec_private_key.json", "jwk_3_4.rsa_private_key.json",
                    "jwk_3_5.symmetric_key_mac_computation.json", "jwk_3_6.symmetric_key_encryption.json"}) {
    EXPECT_EQ(reason(file), "a key is symmetric or private") << file;
  }
}

TEST(Contradictions, EveryEntryNamesAVector) {
  dom::parser parser;
  for (const auto& entry : kContradictions) {
    int found = 0;
    if (entry.file == kCookbook) {
      found = load(parser, std::string(kCookbook) + std::string(entry.vector)).is_object() ? 1 : 0;
    } else {
      for (dom::element group : dom::array(load(parser, entry.file)["testGroups"])) {
        for (dom::element test : dom::array(group["tests"])) found += text_of(test["tcId"]) == entry.vector ? 1 : 0;
      }
    }
    EXPECT_EQ(found, 1) << entry.file << " " << entry.vector;
    auto same = [&](const Contradiction& other) { return other.file == entry.file && other.vector == entry.vector; };
    EXPECT_EQ(std::count_if(std::begin(kContradictions), std::end(kContradictions), same), 1) << entry.vector;
    EXPECT_FALSE(entry.reason.empty());
  }
}

}  // namespace
}  // namespace lotagate::access
