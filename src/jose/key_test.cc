#include "jose/key.h"

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

TEST(PublicKey, EveryTypeIsReadWithItsIdAndAlgorithm) {
  TestSigner ec(Algorithm::ES256, "ec");
  TestSigner ed(Algorithm::EdDSA, "ed");
  struct {
    const TestSigner& signer;
    KeyType type;
  } const cases[] = {{rsa(), KeyType::rsa}, {ec, KeyType::ec_p256}, {ed, KeyType::ed25519}};
  for (const auto& [signer, type] : cases) {
    auto key = parse_jwk(signer.jwk());
    ASSERT_TRUE(key) << key.error();
    EXPECT_EQ(key->type(), type);
    EXPECT_EQ(key->kid(), signer.kid());
    EXPECT_EQ(key->algorithm(), signer.algorithm());
    auto bare = parse_jwk(with(signer, ""));
    ASSERT_TRUE(bare) << bare.error();
    EXPECT_TRUE(bare->allows(signer.algorithm())) << "the type stands for its algorithm";
    EXPECT_EQ(bare->kid(), "");
  }
}

TEST(PublicKey, MayBeMoved) {
  auto key = parse_jwk(rsa().jwk());
  PublicKey moved = *std::move(key);
  EXPECT_NE(moved.handle(), nullptr);
}

TEST(PublicKey, PurposeIsRespected) {
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
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":"HS256")")), "key_algorithm_unsupported");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"alg":"PS256")")), "key_algorithm_unsupported");
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
  auto ec_jwk = [](const std::string& x, const std::string& y) {
    return R"({"kty":"EC","crv":"P-256","x":")" + base64url_encode(x) + R"(","y":")" + base64url_encode(y) + "\"}";
  };
  std::string zero(32, '\0');
  EXPECT_EQ(reason_of(ec_jwk(zero, zero)), "key_point_off_curve");
  EXPECT_EQ(reason_of(ec_jwk(std::string(32, '\x01'), std::string(32, '\x02'))), "key_point_off_curve");
  EXPECT_EQ(reason_of(ec_jwk(std::string(32, '\xFF'), std::string(32, '\xFF'))), "key_point_off_curve");
  EXPECT_EQ(reason_of(ec_jwk(std::string(31, '\x01'), zero)), "key_coordinate_malformed");
  EXPECT_EQ(reason_of(ec_jwk(zero, std::string(33, '\x01'))), "key_coordinate_malformed");
  EXPECT_EQ(reason_of(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"), "key_coordinate_malformed");
}

TEST(Attack, J08_UnknownTypesAndCurves) {
  EXPECT_EQ(reason_of(R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})"), "key_curve_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"EC","crv":"Ed25519","x":"AA"})"), "key_curve_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"OKP","crv":"X25519","x":"AA"})"), "key_curve_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"rsa"})"), "key_type_unsupported");
  EXPECT_EQ(reason_of(R"({"kty":"EC"})"), "key_curve_missing");
  EXPECT_EQ(reason_of(R"({})"), "key_type_missing");
  EXPECT_EQ(reason_of(R"([])"), "key_not_an_object");
  EXPECT_EQ(reason_of("{" + rsa().jwk_numbers() + R"(,"kty":"RSA"})"), "json_duplicate_member");
}

TEST(Attack, K05_SecretMaterialIsNoPublicKey) {
  EXPECT_EQ(reason_of(R"({"kty":"oct","k":"AAAA"})"), "key_not_public");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"d":"AAAA")")), "key_not_public");
  EXPECT_EQ(reason_of(with(rsa(), R"(,"oth":[])")), "key_not_public");
}

}  // namespace
}  // namespace lotagate::jose
