#include "jose/base64url.h"

#include <gtest/gtest.h>

namespace lotagate::jose {
namespace {

TEST(Base64Url, RoundTripsEveryLengthAndByte) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    auto text = base64url_encode(bytes);
    EXPECT_EQ(text.find_first_of("+/= \n"), std::string::npos);
    EXPECT_EQ(base64url_decode(text), bytes) << i;
    bytes.push_back(static_cast<char>(255 - i));
  }
}

TEST(Base64Url, KnownValues) {
  EXPECT_EQ(base64url_encode("\xFB\xFF"), "-_8");
  EXPECT_EQ(base64url_decode(""), "");
  EXPECT_EQ(base64url_decode("Zm9v"), "foo");
}

TEST(Attack, J09_OnlyOneSpellingIsDecoded) {
  for (std::string_view bad : {"Zg==", "Zg=", "Zm9v ", " Zm9v", "Zm9v\n", "Zm\n9v", "Zm9v\r\n", "a+b/", "a/bc", "Zm9?",
                               "Z", "Zm9vZ", "Zh", "Zm9vZ===", "Zm9v\xC3\xA9", "Zm.v"}) {
    EXPECT_FALSE(base64url_decode(bad)) << bad;
  }
  EXPECT_EQ(base64url_decode("Zm8"), "fo");
  EXPECT_FALSE(base64url_decode("A")) << "six bits are no byte, not even zeros";
  EXPECT_FALSE(base64url_decode("Zm9vA"));
  EXPECT_FALSE(base64url_decode("Zm9")) << "its unused bits are 01";
  EXPECT_FALSE(base64url_decode(std::string_view("Zm\0v", 4)));
}

}  // namespace
}  // namespace lotagate::jose
