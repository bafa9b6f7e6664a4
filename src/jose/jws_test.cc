#include "jose/jws.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>
#include <vector>

#include "jose/key.h"
#include "jose/test_signer.h"

namespace lotagate::jose {
namespace {

constexpr std::string_view kPayload = R"({"sub":"u-1"})";

struct Pair {
  explicit Pair(Algorithm algorithm) : signer(algorithm), key(*parse_jwk(signer.jwk())) {}
  TestSigner signer;
  PublicKey key;
};

const Pair& rsa() {
  static const Pair pair(Algorithm::RS256);
  return pair;
}
const Pair& ec() {
  static const Pair pair(Algorithm::ES256);
  return pair;
}
const Pair& ed() {
  static const Pair pair(Algorithm::EdDSA);
  return pair;
}

std::string_view verdict(std::string_view token, const PublicKey& key) {
  auto jws = verify_compact_jws(token, key);
  return jws ? "accepted" : jws.error();
}

// The verdict on a token with this header and a good RSA signature: only the header can be at fault.
std::string_view header_verdict(std::string_view header) {
  return verdict(rsa().signer.sign_with_header(header, kPayload), rsa().key);
}

TEST(Jws, EveryAlgorithmVerifiesItsOwnSignature) {
  for (const Pair* pair : {&rsa(), &ec(), &ed()}) {
    auto jws = verify_compact_jws(pair->signer.sign(kPayload), pair->key);
    ASSERT_TRUE(jws) << jws.error();
    EXPECT_EQ(jws->payload, kPayload);
    EXPECT_EQ(jws->kid, "key-1");
    EXPECT_EQ(jws->typ, "");
    EXPECT_EQ(jws->algorithm, pair->signer.algorithm());
  }
}

TEST(Jws, ManyEcdsaSignaturesRoundTrip) {  // r and s of every DER shape: short ones, top bit set
  for (int i = 0; i < 300; ++i) EXPECT_EQ(verdict(ec().signer.sign(std::to_string(i)), ec().key), "accepted");
}

TEST(Jws, AnyFlippedBitRefuses) {
  for (const Pair* pair : {&rsa(), &ec(), &ed()}) {
    auto token = pair->signer.sign(kPayload);
    auto good = parse_compact_jws(token);
    ASSERT_TRUE(good);
    for (std::size_t i = 0; i < good->signature.size(); i += 7) {
      CompactJws bad = *good;
      bad.signature[i] = static_cast<char>(bad.signature[i] ^ 1);
      EXPECT_FALSE(verify_signature(bad, pair->key)) << i;
    }
    auto other = pair->signer.sign("other");
    CompactJws moved = *good;
    moved.signing_input = std::string_view(other).substr(0, other.rfind('.'));
    EXPECT_FALSE(verify_signature(moved, pair->key));
  }
}

TEST(Jws, AFailureLeavesNoErrorBehindForTls) {
  auto token = rsa().signer.sign("a");
  token[token.size() - 10] = token[token.size() - 10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(verdict(token, rsa().key), "signature_mismatch");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Attack, J01_NoneInEveryDress) {
  for (auto alg : {R"("none")", R"("nOnE")", R"("None")", R"("")", R"(["RS256"])", "null", "0", R"("rs256")"}) {
    auto header = std::string(R"({"alg":)") + alg + "}";
    EXPECT_TRUE(header_verdict(header).starts_with("header_algorithm_")) << header;
    auto unsigned_token = base64url_encode(header) + "." + base64url_encode(kPayload) + ".";
    EXPECT_EQ(verdict(unsigned_token, rsa().key), "token_not_signed");
  }
  EXPECT_EQ(header_verdict(R"({"typ":"JWT"})"), "header_algorithm_missing");
  auto good = rsa().signer.sign(kPayload);
  EXPECT_EQ(verdict(good.substr(0, good.rfind('.') + 1), rsa().key), "token_not_signed");
}

TEST(Attack, J02_TheKeyDecidesTheAlgorithm) {
  for (auto alg :
       {"HS256", "HS384", "HS512", "PS256", "RS384", "RS512", "ES384", "ES512", "ES256K", "RS1", "Ed25519"}) {
    EXPECT_EQ(header_verdict(std::string(R"({"alg":")") + alg + "\"}"), "header_algorithm_unsupported") << alg;
  }
  const Pair* pairs[] = {&rsa(), &ec(), &ed()};
  for (const Pair* signer : pairs) {
    for (const Pair* key : pairs) {
      if (signer == key) continue;
      EXPECT_EQ(verdict(signer->signer.sign(kPayload), key->key), "key_for_another_algorithm");
    }
  }
  EXPECT_EQ(verdict(rsa().signer.sign_with_header(R"({"alg":"ES256"})", kPayload), ec().key), "signature_mismatch");
}

TEST(Attack, J03_KeysInTheHeaderAreNotRead) {
  TestSigner attacker(Algorithm::EdDSA, "key-1");
  for (const std::string& member :
       {"\"jwk\":" + attacker.jwk(), std::string(R"("jku":"http://127.0.0.1:1/")"),
        std::string(R"("x5u":"file:///etc/passwd")"), std::string(R"("x5c":["AAAA"])"), std::string(R"("x5t":"AA")")}) {
    auto header = R"({"alg":"EdDSA",)" + member + "}";
    EXPECT_EQ(verdict(attacker.sign_with_header(header, kPayload), ed().key), "signature_mismatch") << header;
    EXPECT_EQ(verdict(ed().signer.sign_with_header(header, kPayload), ed().key), "accepted") << "ignored: " << header;
  }
}

TEST(Attack, J04_KidIsOpaqueText) {
  for (auto kid : {"7", "null", "[]", "{}", "true"}) {
    EXPECT_EQ(header_verdict(std::string(R"({"alg":"RS256","kid":)") + kid + "}"), "header_kid_malformed");
  }
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","kid":")" + std::string(257, 'k') + "\"}"), "header_kid_too_long");
  auto token = rsa().signer.sign_with_header(R"({"alg":"RS256","kid":"../../etc\u0000' OR 1=1"})", kPayload);
  auto jws = parse_compact_jws(token);
  ASSERT_TRUE(jws);
  EXPECT_EQ(jws->kid, std::string_view("../../etc\0' OR 1=1", 18));
  EXPECT_FALSE(parse_compact_jws(rsa().signer.sign_with_header(R"({"alg":"RS256"})", ""))->kid);
}

TEST(Attack, J05_CriticalExtensionsAreRefused) {
  for (auto crit : {R"(["exp"])", "[]", R"("exp")", R"(["alg"])", R"(["b64"])", "null", R"([""])"}) {
    EXPECT_EQ(header_verdict(std::string(R"({"alg":"RS256","crit":)") + crit + "}"), "header_critical_extension");
  }
}

TEST(Attack, J06_UnencodedPayloads) {
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","b64":false})"), "header_b64");
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","b64":true})"), "header_b64");
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","b64":false,"crit":["b64"]})"), "header_critical_extension");
}

TEST(Attack, J07_EcdsaSignatureForms) {
  auto input = ec().signer.sign(kPayload);
  input.resize(input.rfind('.'));
  const std::string good = ec().signer.signature(input);
  auto with = [&](const std::string& signature) {
    return verdict(input + "." + base64url_encode(signature), ec().key);
  };
  const std::string zero(32, '\0');
  const std::string order(
      "\xFF\xFF\xFF\xFF\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xBC\xE6\xFA\xAD\xA7\x17\x9E\x84\xF3\xB9\xCA\xC2\xFC\x63"
      "\x25"
      "\x51",
      32);
  const std::string r = good.substr(0, 32);
  const std::string s = good.substr(32);
  EXPECT_EQ(with(good), "accepted");
  for (const auto& bad : {zero + zero, zero + s, r + zero, order + s, r + order, order + order, std::string(64, '\xFF'),
                          good + '\0', '\0' + good, good + good, good.substr(0, 63), r, '\0' + r + '\0' + s,
                          std::string("\x30\x06\x02\x01\x01\x02\x01\x01")}) {
    EXPECT_EQ(with(bad), "signature_mismatch");
  }
  // The same signature in DER: what OpenSSL takes by itself must not pass as a JWS.
  std::string der_r = (r[0] & 0x80 ? std::string("\x02\x21\0", 3) : std::string("\x02\x20")) + r;
  std::string der_s = (s[0] & 0x80 ? std::string("\x02\x21\0", 3) : std::string("\x02\x20")) + s;
  EXPECT_EQ(with('\x30' + std::string(1, static_cast<char>(der_r.size() + der_s.size())) + der_r + der_s),
            "signature_mismatch");
}

TEST(Attack, J07_OtherSignaturesHaveOneLengthToo) {
  for (const Pair* pair : {&rsa(), &ed()}) {
    auto input = pair->signer.sign(kPayload);
    input.resize(input.rfind('.'));
    std::string good = pair->signer.signature(input);
    for (const auto& bad : {good + '\0', '\0' + good, good.substr(1), good.substr(0, good.size() - 1), good + good,
                            std::string(good.size(), '\0'), std::string(good.size(), '\xFF')}) {
      EXPECT_EQ(verdict(input + "." + base64url_encode(bad), pair->key), "signature_mismatch");
    }
  }
}

TEST(Attack, J09_EveryPartHasOneSpelling) {
  auto good = rsa().signer.sign(kPayload);
  EXPECT_EQ(verdict(good, rsa().key), "accepted");
  for (std::size_t end : {good.find('.'), good.rfind('.'), good.size()}) {
    for (auto insertion : {"=", "==", " ", "\n", "\r\n", "\t", "?", "+", "/", "%3D"}) {
      std::string bad = good;
      bad.insert(end, insertion);
      EXPECT_EQ(verdict(bad, rsa().key), "token_not_base64url") << end << insertion;
    }
  }
  EXPECT_EQ(verdict(" " + good, rsa().key), "token_not_base64url");
  // The last character of 256 bytes carries four unused bits.
  std::string other_bits = good;
  other_bits.back() = static_cast<char>(other_bits.back() + 1);
  EXPECT_EQ(verdict(other_bits, rsa().key), "token_not_base64url");
}

TEST(Attack, J10_HeaderIsOneStrictObject) {
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","alg":"RS256"})"), "json_duplicate_member");
  EXPECT_EQ(header_verdict(R"({"alg":"none","\u0061lg":"RS256"})"), "json_duplicate_member");
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","x":{"a":1,"a":2}})"), "json_duplicate_member");
  EXPECT_EQ(header_verdict(R"(["alg","RS256"])"), "header_not_an_object");
  EXPECT_EQ(header_verdict(R"("RS256")"), "header_not_an_object");
  EXPECT_EQ(header_verdict("\xEF\xBB\xBF{\"alg\":\"RS256\"}"), "json_byte_order_mark");
  for (std::string_view header :
       {R"({"alg":"RS256"} x)", R"({"alg":"RS256"}{})", R"({"alg":"RS256",})", R"({"alg":"RS256"/**/})",
        R"({"alg":"RS256","x":NaN})", "{\"alg\":\"RS256\",\"x\":\"\xFF\"}", R"({"alg":"RS256","x":"\ud800"})", ""}) {
    EXPECT_TRUE(header_verdict(header).starts_with("json_")) << header;
  }
}

TEST(Attack, J11_SizeAndDepth) {
  EXPECT_EQ(verdict(std::string(kMaxTokenBytes + 1, 'A'), rsa().key), "token_too_large");
  EXPECT_EQ(verdict(std::string(1 << 20, '.'), rsa().key), "token_too_large");
  EXPECT_EQ(verdict(std::string(kMaxTokenBytes, 'A'), rsa().key), "token_not_three_parts");
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","x":)" + std::string(1000, '[') + std::string(1000, ']') + "}"),
            "json_too_deep");
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","x":1e999})"), "json_number_out_of_range");
}

TEST(Attack, J14_TypIsReportedAndMustBeText) {
  auto token = rsa().signer.sign_with_header(R"({"alg":"RS256","typ":"at+jwt"})", kPayload);
  EXPECT_EQ(parse_compact_jws(token)->typ, "at+jwt");
  EXPECT_EQ(header_verdict(R"({"alg":"RS256","typ":1})"), "header_typ_malformed");
}

TEST(Attack, J15_OtherSerialisations) {
  auto good = rsa().signer.sign(kPayload);
  for (const std::string& bad :
       {std::string(), std::string("."), good.substr(0, good.rfind('.')), good + ".", good + ".AAAA",
        good + ".AAAA.AAAA", "." + good, std::string(R"({"payload":"AA","protected":"AA","signature":"AA"})")}) {
    EXPECT_EQ(verdict(bad, rsa().key), "token_not_three_parts") << bad;
  }
  EXPECT_EQ(verdict("..", rsa().key), "token_not_signed");
  EXPECT_EQ(header_verdict(R"({"alg":"RSA-OAEP","enc":"A256GCM"})"), "header_algorithm_unsupported");
}

}  // namespace
}  // namespace lotagate::jose
