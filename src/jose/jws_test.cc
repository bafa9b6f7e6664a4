#include "jose/jws.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <string>
#include <vector>

#include "jose/jwk.h"
#include "jose/test_signer.h"

namespace lotagate::jose {
namespace {

constexpr std::string_view kPayload = R"({"sub":"u-1"})";

struct Pair {
  explicit Pair(Algorithm algorithm) : signer(algorithm), key(verification_key_of(signer)) {}
  TestSigner signer;
  VerificationKey key;
};

// One signer with its key for every algorithm, in the order of kAlgorithms.
const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all(kAlgorithms.begin(), kAlgorithms.end());
  return all;
}

const Pair& pair_of(Algorithm algorithm) { return pairs()[static_cast<std::size_t>(algorithm)]; }
const Pair& rsa() { return pair_of(Algorithm::RS256); }
const Pair& ed() { return pair_of(Algorithm::EdDSA); }

std::string_view verdict(std::string_view token, const VerificationKey& key) {
  auto jws = verify_compact_jws(token, key);
  return jws ? "accepted" : jws.error();
}

// The verdict on a token with this header and a good RSA signature: only the header can be at fault.
std::string_view header_verdict(std::string_view header) {
  return verdict(rsa().signer.sign_with_header(header, kPayload), rsa().key);
}

TEST(Jws, EveryAlgorithmVerifiesItsOwnSignature) {
  for (const Pair& pair : pairs()) {
    auto jws = verify_compact_jws(pair.signer.sign(kPayload), pair.key);
    ASSERT_TRUE(jws) << algorithm_name(pair.signer.algorithm()) << " " << jws.error();
    EXPECT_EQ(jws->payload, kPayload);
    EXPECT_EQ(jws->kid, "key-1");
    EXPECT_EQ(jws->typ, "");
    EXPECT_EQ(jws->algorithm, pair.signer.algorithm());
  }
}

TEST(Jws, ManyEcdsaSignaturesRoundTrip) {  // r and s of every DER shape: short ones, top bit set, long lengths
  for (auto algorithm : {Algorithm::ES256, Algorithm::ES384, Algorithm::ES512}) {
    const Pair& ec = pair_of(algorithm);
    for (int i = 0; i < 300; ++i) EXPECT_EQ(verdict(ec.signer.sign(std::to_string(i)), ec.key), "accepted");
  }
}

TEST(Jws, AnyFlippedBitRefuses) {
  for (const Pair& pair : pairs()) {
    auto token = pair.signer.sign(kPayload);
    auto good = parse_compact_jws(token);
    ASSERT_TRUE(good);
    for (std::size_t i = 0; i < good->signature.size(); i += 7) {
      CompactJws bad = *good;
      bad.signature[i] = static_cast<char>(bad.signature[i] ^ 1);
      EXPECT_FALSE(verify_signature(bad, pair.key)) << i;
    }
    auto other = pair.signer.sign("other");
    CompactJws moved = *good;
    moved.signing_input = std::string_view(other).substr(0, other.rfind('.'));
    EXPECT_FALSE(verify_signature(moved, pair.key));
  }
}

TEST(Jws, AKeyServesAnyNumberOfVerifications) {  // none leaves a trace in what the next one starts from
  for (const Pair& pair : pairs()) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(verdict(pair.signer.sign(std::to_string(i)), pair.key), "accepted");
      EXPECT_EQ(verdict(pair.signer.sign("") + "AAAA", pair.key), "signature_mismatch");
    }
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

TEST(Attack, J02_AlgorithmsBeyondTheListAreRefused) {
  for (auto alg : {"RS1", "ES256K", "Ed25519", "Ed448", "HS1", "HS256 ", "hs256", "HS224", "RSA-OAEP", "dir"}) {
    EXPECT_EQ(header_verdict(std::string(R"({"alg":")") + alg + "\"}"), "header_algorithm_unsupported") << alg;
  }
}

TEST(Attack, J02_TheKeyDecidesTheAlgorithm) {
  for (const Pair& signer : pairs()) {
    for (const Pair& key : pairs()) {
      if (&signer == &key) continue;
      EXPECT_EQ(verdict(signer.signer.sign(kPayload), key.key), "key_for_another_algorithm");
      // The same signature under the name of the algorithm that the key is for.
      auto header = R"({"alg":")" + std::string(algorithm_name(key.signer.algorithm())) + "\"}";
      EXPECT_EQ(verdict(signer.signer.sign_with_header(header, kPayload), key.key), "signature_mismatch");
    }
  }
}

TEST(Attack, J02_OnePairOfNumbersIsNotSixKeys) {  // PS256 <-> RS256 <-> RS512 with one and the same RSA key
  for (const Pair& signer : pairs()) {
    if (signer.key.type() != KeyType::rsa) continue;
    for (Algorithm algorithm : kAlgorithms) {
      if (traits_of(algorithm).key_type != KeyType::rsa || algorithm == signer.signer.algorithm()) continue;
      std::string name(algorithm_name(algorithm));
      auto key = parse_jwk("{" + signer.signer.jwk_numbers() + R"(,"alg":")" + name + "\"}");
      ASSERT_TRUE(key) << key.error();
      EXPECT_EQ(verdict(signer.signer.sign(kPayload), *key), "key_for_another_algorithm");
      auto renamed = signer.signer.sign_with_header(R"({"alg":")" + name + "\"}", kPayload);
      EXPECT_EQ(verdict(renamed, *key), "signature_mismatch") << name;
    }
  }
}

TEST(Attack, J02_APublicKeyIsNoSecret) {  // RS256 -> HS256: the attacker knows every spelling of the public key
  auto input = base64url_encode(R"({"alg":"HS256"})") + "." + base64url_encode(kPayload);
  for (const std::string& spelling : {rsa().signer.jwk(), "{" + rsa().signer.jwk_numbers() + "}"}) {
    std::string mac(32, '\0');
    HMAC(EVP_sha256(), spelling.data(), static_cast<int>(spelling.size()),
         reinterpret_cast<const unsigned char*>(input.data()), input.size(),
         reinterpret_cast<unsigned char*>(mac.data()), nullptr);
    EXPECT_EQ(verdict(input + "." + base64url_encode(mac), rsa().key), "key_for_another_algorithm");
  }
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

// FIPS 186-4 D.1.2.3 to D.1.2.5, written down once more: the product asks OpenSSL for them.
std::string order_of(Algorithm algorithm) {
  constexpr std::string_view kOrders[] = {
      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
      "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
      "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c"
      "47a"
      "ebb6fb71e91386409"};
  std::string_view hex = kOrders[static_cast<std::size_t>(algorithm) - static_cast<std::size_t>(Algorithm::ES256)];
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::string der_integer(std::string number) {
  number.erase(0, std::min(number.find_first_not_of('\0'), number.size() - 1));
  if ((number[0] & 0x80) != 0) number.insert(0, 1, '\0');
  return std::string("\x02") + static_cast<char>(number.size()) + number;
}

TEST(Attack, J07_EcdsaSignatureForms) {
  for (auto algorithm : {Algorithm::ES256, Algorithm::ES384, Algorithm::ES512}) {
    const Pair& ec = pair_of(algorithm);
    auto input = ec.signer.sign(kPayload);
    input.resize(input.rfind('.'));
    const std::string good = ec.signer.signature(input);
    auto with = [&](const std::string& signature) {
      return verdict(input + "." + base64url_encode(signature), ec.key);
    };
    const std::string order = order_of(algorithm);
    const std::size_t half = order.size();
    ASSERT_EQ(good.size(), 2 * half);
    const std::string zero(half, '\0');
    const std::string r = good.substr(0, half);
    const std::string s = good.substr(half);
    std::string above = order;
    ++above.back();
    EXPECT_EQ(with(good), "accepted");
    for (const auto& bad : {zero + zero, zero + s, r + zero, order + s, r + order, order + order, above + s, r + above,
                            std::string(2 * half, '\xFF'), good + '\0', '\0' + good, good + good, good.substr(1),
                            good.substr(0, 2 * half - 1), r, '\0' + r + '\0' + s,
                            std::string("\x30\x06\x02\x01\x01\x02\x01\x01"), s + r}) {
      EXPECT_EQ(with(bad), "signature_mismatch");
    }
    // The same signature in DER: what OpenSSL takes by itself must not pass as a JWS.
    std::string numbers = der_integer(r) + der_integer(s);
    std::string der = (numbers.size() < 0x80 ? "\x30" : "\x30\x81") + std::string(1, static_cast<char>(numbers.size()));
    EXPECT_EQ(with(der + numbers), "signature_mismatch");
  }
}

TEST(Attack, J07_OtherSignaturesHaveOneLengthToo) {
  for (const Pair& pair : pairs()) {
    auto input = pair.signer.sign(kPayload);
    input.resize(input.rfind('.'));
    std::string good = pair.signer.signature(input);
    for (const auto& bad :
         {good + '\0', '\0' + good, good.substr(1), good.substr(0, good.size() - 1), good + good,
          good.substr(0, good.size() / 2), std::string(good.size(), '\0'), std::string(good.size(), '\xFF')}) {
      EXPECT_EQ(verdict(input + "." + base64url_encode(bad), pair.key), "signature_mismatch");
    }
  }
}

TEST(Attack, J07_ALeadingZeroOfAnRsaSignatureBelongsToIt) {  // OpenSSL alone verifies a PSS signature without it
  for (auto algorithm : {Algorithm::RS256, Algorithm::PS256}) {
    const Pair& pair = pair_of(algorithm);
    std::string input, signature = "x";
    for (int i = 0; i < 20'000 && signature.front() != '\0'; ++i) {
      input = base64url_encode(pair.signer.header()) + "." + base64url_encode(std::to_string(i));
      signature = pair.signer.signature(input);
    }
    ASSERT_EQ(signature.front(), '\0') << "one in 256 begins with a zero";
    EXPECT_EQ(verdict(input + "." + base64url_encode(signature), pair.key), "accepted");
    EXPECT_EQ(verdict(input + "." + base64url_encode(signature.substr(1)), pair.key), "signature_mismatch");
  }
}

TEST(Attack, J07_ThePssSaltIsAsLongAsTheHash) {  // RFC 7518 3.5
  for (auto algorithm : {Algorithm::PS256, Algorithm::PS384, Algorithm::PS512}) {
    TestSigner signer(algorithm);
    auto key = verification_key_of(signer);
    int hash_bytes = traits_of(algorithm).hash_bytes;
    for (int salt_bytes : {0, 1, hash_bytes - 1, hash_bytes + 1, 20, RSA_PSS_SALTLEN_MAX}) {
      signer.set_pss_salt_bytes(salt_bytes);
      EXPECT_EQ(verdict(signer.sign(kPayload), key), "signature_mismatch") << salt_bytes;
    }
    signer.set_pss_salt_bytes(hash_bytes);
    EXPECT_EQ(verdict(signer.sign(kPayload), key), "accepted");
  }
}

TEST(Attack, J07_Ed25519HasOneSpellingPerSignature) {  // RFC 8032 5.1.7: s < L, or s + L would verify, too
  auto input = ed().signer.sign(kPayload);
  input.resize(input.rfind('.'));
  std::string signature = ed().signer.signature(input);
  constexpr unsigned char kOrder[32] = {0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7,
                                        0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0,    0,    0,    0,    0,    0,
                                        0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned char>(signature[32 + i]) + kOrder[i];
    signature[32 + i] = static_cast<char>(carry);
    carry >>= 8;
  }
  ASSERT_EQ(carry, 0u);
  EXPECT_EQ(verdict(input + "." + base64url_encode(signature), ed().key), "signature_mismatch");
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
