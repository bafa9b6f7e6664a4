#include "access/api_key.h"

#include <gtest/gtest.h>

#include <string>

namespace lotagate::access {
namespace {

TEST(ApiKey, DigestsAreThoseOfTheStandard) {
  // FIPS 180-4's examples, as NIST publishes them with intermediate values.
  EXPECT_EQ(ApiKeyDigest("abc").text(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ApiKeyDigest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").text(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(ApiKeyDigest("").text(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(ApiKey, TextsAreBoundedVisibleAscii) {
  EXPECT_TRUE(valid_api_key("lgk_0123456789012345678901234567890123456789012"));
  EXPECT_TRUE(valid_api_key("sk-live.ABC/def+123==#"));
  EXPECT_TRUE(valid_api_key(std::string(20, 'a')));
  EXPECT_TRUE(valid_api_key(std::string(256, 'a')));
  const std::string bad_ones[] = {"",
                                  std::string(19, 'a'),
                                  std::string(257, 'a'),
                                  "01234567890123456789 x",
                                  "01234567890123456789\tx",
                                  "01234567890123456789\xC3\xA9",
                                  std::string(21, '\0'),
                                  "01234567890123456789\x7F"};
  for (const auto& bad : bad_ones) {
    EXPECT_FALSE(valid_api_key(bad)) << bad;
  }
}

TEST(ApiKey, DigestsAreLowerCaseHexadecimal) {
  EXPECT_TRUE(valid_api_key_digest(ApiKeyDigest("anything").text()));
  EXPECT_FALSE(valid_api_key_digest(std::string(63, 'a')));
  EXPECT_FALSE(valid_api_key_digest(std::string(65, 'a')));
  EXPECT_FALSE(valid_api_key_digest(std::string(64, 'A')));
  EXPECT_FALSE(valid_api_key_digest(std::string(64, 'g')));
  EXPECT_FALSE(valid_api_key_digest(std::string(64, '/')));
  EXPECT_FALSE(valid_api_key_digest(std::string(64, ':')));
}

}  // namespace
}  // namespace lotagate::access
