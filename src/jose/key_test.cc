#include "jose/jwk.h"

#include <gtest/gtest.h>

#include <string>

#include "jose/test_signer.h"

namespace lotagate::jose {
namespace {

const TestSigner& rsa() {
  static const TestSigner signer(Algorithm::RS256);
  return signer;
}

std::string_view reason_of(const std::string& jwk) {
  auto key = parse_jwk(jwk);
  return key ? "usable" : key.error();
}

std::string with(const TestSigner& signer, std::string_view more) {
  return "{" + signer.jwk_numbers() + std::string(more) + "}";
}

TEST(Algorithms, NamesAreExact) {
  EXPECT_EQ(kAlgorithms.size(), 13u);
  for (Algorithm algorithm : kAlgorithms) EXPECT_EQ(parse_algorithm(algorithm_name(algorithm)), algorithm);
  EXPECT_EQ(kAlgorithmNames.front(), "RS256");
  EXPECT_EQ(kAlgorithmNames.back(), "HS512");
  for (auto name : {"", "none", "rs256", "RS256 ", "RS25", "RS2566", "ES521"}) EXPECT_FALSE(parse_algorithm(name));
}

TEST(VerificationKey, EveryTypeIsReadWithItsIdAndAlgorithm) {
  for (Algorithm algorithm : kAlgorithms) {
    if (is_symmetric(algorithm)) continue;
    TestSigner signer(algorithm, "one");
    auto key = parse_jwk(signer.jwk());
    ASSERT_TRUE(key) << key.error();
    EXPECT_EQ(key->type(), traits_of(algorithm).key_type);
    EXPECT_EQ(key->kid(), "one");
    EXPECT_EQ(key->algorithm(), algorithm);
  }
}

TEST(Attack, J02_WithoutAlgAKeyStandsForOneAlgorithm) {  // RFC 8725 3.1; RSA for RS256
  for (auto algorithm : {Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::EdDSA}) {
    auto key = parse_jwk(with(TestSigner(algorithm), ""));
    ASSERT_TRUE(key) << key.error();
    EXPECT_EQ(key->kid(), "");
    for (Algorithm other : kAlgorithms) EXPECT_EQ(key->allows(other), other == algorithm);
  }
}

TEST(VerificationKey, MayBeMoved) {
  auto key = parse_jwk(rsa().jwk());
  VerificationKey moved = *std::move(key);
  EXPECT_TRUE(moved.verifies("message", rsa().signature("message")));
}

TEST(VerificationKey, PurposeIsRespected) {
  EXPECT_EQ(reason_of(with(rsa(), R"(,"use":"sig","key_ops":["sign","verify"])")), "usable");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"use":"enc")")), "key_not_for_signatures");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"use":1)")), "key_use_malformed");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"key_ops":["encrypt"])")), "key_not_for_verifying");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"key_ops":"verify")")), "key_not_for_verifying");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"key_ops":[])")), "key_not_for_verifying");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"key_ops":["verify",1])")), "key_not_for_verifying");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"x5u":"https://elsewhere.example/","unknown":{"a":[1]})")), "usable");
}

TEST(Attack, J02_AKeyIsBoundToOneAlgorithm) {
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":"ES256")")), "key_algorithm_contradicts_type");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":"HS256")")), "key_algorithm_contradicts_type");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":"EdDSA")")), "key_algorithm_contradicts_type");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":"RSA-OAEP")")), "key_algorithm_unsupported");
  EXPECT_EQ(reason_of(with(TestSigner(Algorithm::ES256), R"(,"alg":"ES384")")), "key_algorithm_contradicts_type");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":"none")")), "key_algorithm_unsupported");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":null)")), "key_algorithm_malformed");
  auto key = parse_jwk(rsa().jwk());
  ASSERT_TRUE(key);
  EXPECT_FALSE(key->allows(Algorithm::ES256));
}

TEST(Attack, J04_KidIsTextOfBoundedLength) {
  EXPECT_EQ(reason_of(with(rsa(), R"(,"kid":7)")), "key_id_malformed");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"kid":")" + std::string(256, 'k') + '"')), "usable");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"kid":")" + std::string(257, 'k') + '"')), "key_id_too_long");
}

TEST(Attack, J08_WeakRsaKeys) {
  TestSigner small(Algorithm::RS256, "small", 1024);
  EXPECT_EQ(reason_of(small.jwk()), "key_modulus_too_short");
  auto rsa_jwk = [](const std::string& n, const std::string& e) {
    return R"({"kty":"RSA","n":")" + base64url_encode(n) + R"(","e":")" + base64url_encode(e) + "\"}";
  };
  std::string n = '\x80' + std::string(255, '\x01');
  EXPECT_EQ(reason_of(rsa_jwk(n, "\x03")), "usable");
  EXPECT_EQ(reason_of(rsa_jwk(n, "\x01")), "key_exponent_weak");
  EXPECT_EQ(reason_of(rsa_jwk(n, "\x02")), "key_exponent_weak");
  EXPECT_EQ(reason_of(rsa_jwk(n, std::string(1, '\0'))), "key_exponent_malformed");
  EXPECT_EQ(reason_of(rsa_jwk(n, "")), "key_exponent_malformed");
  EXPECT_EQ(reason_of(rsa_jwk(n, std::string(9, '\x01'))), "key_exponent_malformed");
  EXPECT_EQ(reason_of(rsa_jwk('\0' + n, "\x03")), "key_modulus_malformed");
  EXPECT_EQ(reason_of(rsa_jwk('\x80' + std::string(255, '\0'), "\x03")), "key_modulus_even");
  EXPECT_EQ(reason_of(rsa_jwk('\x7F' + n.substr(1), "\x03")), "key_modulus_too_short");
  EXPECT_EQ(reason_of(rsa_jwk('\x80' + std::string(1024, '\x01'), "\x03")), "key_modulus_malformed");
  EXPECT_EQ(reason_of(R"({"kty":"RSA","n":5,"e":"AQAB"})"), "key_modulus_malformed");
  EXPECT_EQ(reason_of(R"({"kty":"RSA"})"), "key_modulus_malformed");
}

TEST(Attack, J08_PointsOffTheirCurve) {
  struct {
    std::string curve;
    std::size_t bytes;
  } const curves[] = {{"P-256", 32}, {"P-384", 48}, {"P-521", 66}};
  for (const auto& [curve, bytes] : curves) {
    auto ec_jwk = [&](const std::string& x, const std::string& y) {
      return R"({"kty":"EC","crv":")" + curve + R"(","x":")" + base64url_encode(x) + R"(","y":")" +
             base64url_encode(y) + "\"}";
    };
    std::string zero(bytes, '\0');
    EXPECT_EQ(reason_of(ec_jwk(zero, zero)), "key_point_off_curve");
    EXPECT_EQ(reason_of(ec_jwk(std::string(bytes, '\x01'), std::string(bytes, '\x02'))), "key_point_off_curve");
    EXPECT_EQ(reason_of(ec_jwk(std::string(bytes, '\xFF'), std::string(bytes, '\xFF'))), "key_point_off_curve");
    EXPECT_EQ(reason_of(ec_jwk(std::string(bytes - 1, '\x01'), zero)), "key_coordinate_malformed");
    EXPECT_EQ(reason_of(ec_jwk(zero, std::string(bytes + 1, '\x01'))), "key_coordinate_malformed");
  }
  // A point of one curve is none of another, whatever the lengths say.
  EXPECT_EQ(reason_of(R"({"kty":"EC","crv":"P-384",)" + TestSigner(Algorithm::ES256).jwk_numbers().substr(25) + "}"),
            "key_coordinate_malformed");
}

TEST(Attack, J08_WeakEd25519Keys) {
  auto okp_jwk = [](std::string_view hex) {
    std::string x;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      x += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    }
    return R"({"kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(x) + "\"}";
  };
  EXPECT_EQ(reason_of(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"), "key_coordinate_malformed");
  for (auto hex : {"0000000000000000000000000000000000000000000000000000000000000000",
                   "0000000000000000000000000000000000000000000000000000000000000080",
                   "0100000000000000000000000000000000000000000000000000000000000000",
                   "0100000000000000000000000000000000000000000000000000000000000080",
                   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                   "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                   "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                   "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                   "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"}) {
    EXPECT_EQ(reason_of(okp_jwk(hex)), "key_point_of_small_order") << hex;
  }
  for (auto hex : {"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // y = p, that is 0
                   "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                   "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                   "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
    EXPECT_EQ(reason_of(okp_jwk(hex)), "key_coordinate_malformed") << hex;
  }
  EXPECT_EQ(reason_of(okp_jwk("5866666666666666666666666666666666666666666666666666666666666666")), "usable");
}

TEST(Attack, J08_UnknownTypesAndCurves) {
  EXPECT_EQ(reason_of(R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})"), "key_curve_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"EC","crv":"Ed25519","x":"AA"})"), "key_curve_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"OKP","crv":"X25519","x":"AA"})"), "key_curve_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"OKP","crv":"Ed448","x":"AA"})"), "key_curve_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"rsa"})"), "key_type_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"EC"})"), "key_curve_missing");
  EXPECT_EQ(reason_of(R"({})"), "key_type_missing");
  EXPECT_EQ(reason_of(R"([])"), "key_not_an_object");
  EXPECT_EQ(reason_of("{" + rsa().jwk_numbers() + R"(,"kty":"RSA"})"), "json_duplicate_member");
}

TEST(Attack, J08_SecretsAreAsLongAsTheHash) {  // RFC 7518 3.2
  for (auto algorithm : {Algorithm::HS256, Algorithm::HS384, Algorithm::HS512}) {
    std::size_t least = traits_of(algorithm).hash_bytes;
    auto reason = [&](std::size_t bytes) {
      auto key = make_secret_key(std::string(bytes, 's'), algorithm);
      return key ? "usable" : key.error();
    };
    EXPECT_EQ(reason(0), "secret_too_short");
    EXPECT_EQ(reason(least - 1), "secret_too_short");
    EXPECT_EQ(reason(least), "usable");
    EXPECT_EQ(reason(1000), "usable");
  }
}

TEST(Attack, J02_ASecretIsNoPublicKeyAndViceVersa) {
  for (Algorithm algorithm : kAlgorithms) {
    if (is_symmetric(algorithm)) continue;
    EXPECT_EQ(make_secret_key(std::string(64, 's'), algorithm).error(), "secret_for_another_algorithm");
  }
  auto key = make_secret_key(std::string(64, 's'), Algorithm::HS256);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->type(), KeyType::secret);
  EXPECT_EQ(key->kid(), "");
  for (Algorithm other : kAlgorithms) EXPECT_EQ(key->allows(other), other == Algorithm::HS256);
}

TEST(Attack, J18_MacsAreComparedWhole) {  // in constant time; a prefix is worth nothing
  TestSigner signer(Algorithm::HS256);
  auto key = verification_key_of(signer);
  std::string good = signer.signature("message");
  EXPECT_TRUE(key.verifies("message", good));
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(key.verifies("message", good.substr(0, length)));
    std::string wrong = good;
    wrong[length] = static_cast<char>(wrong[length] ^ 0x80);
    EXPECT_FALSE(key.verifies("message", wrong));
  }
  EXPECT_FALSE(key.verifies("message", good + '\0'));
}

TEST(Attack, K05_SecretMaterialIsNoVerificationKey) {
  EXPECT_EQ(reason_of(R"({"kty":"oct","k":"AAAA"})"), "key_not_public");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"d":"AAAA")")), "key_not_public");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"oth":[])")), "key_not_public");
}

}  // namespace
}  // namespace lotagate::jose
