#include "telemetry/json_escape.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>
#include <string>
#include <vector>

#include "base/text.h"

namespace lotagate::telemetry {
namespace {

std::string escaped(std::string_view text, std::size_t cap) {
  std::vector<char> out(cap);  // exactly `cap`, so that a sanitizer sees any byte beyond
  char* end = write_json_escaped(out.data(), text, cap);
  return {out.data(), end};
}

std::string escaped_by_base(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

std::string parsed(const std::string& inside) {
  simdjson::dom::parser parser;
  std::string_view text = parser.parse("\"" + inside + "\"").get_string();
  return std::string(text);
}

TEST(JsonEscape, FollowsTheRulesOfBaseForEveryByteAndNeighbour) {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      for (std::string_view around : {"", "plain text before"}) {
        std::string text(around);
        text += static_cast<char>(first);
        text += static_cast<char>(second);
        text += around;
        ASSERT_EQ(escaped(text, 512), escaped_by_base(text)) << first << ' ' << second;
      }
    }
  }
}

TEST(JsonEscape, FollowsTheRulesOfBaseForRandomText) {
  std::mt19937_64 random(3);
  const std::string_view pieces[] = {"\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\xA0\x80",
                                     "\xC0\xAF",     "\x1B[31m",     "\"\\\n\r\t",   "plain words, ",    "\xF4\x90"};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    while (random() % 6 != 0) text += pieces[random() % std::size(pieces)];
    ASSERT_EQ(escaped(text, 2048), escaped_by_base(text));
  }
}

TEST(JsonEscape, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(escaped("0123456789abcdef", 16), "0123456789abcdef");
  EXPECT_EQ(escaped("0123456789abcdefg", 16), "0123456789abc...");
  EXPECT_EQ(escaped("0123456789\x01"
                    "abcdef",
                    16),
            "0123456789...");
  EXPECT_EQ(escaped("0123456789ab\xE2\x82\xAC"
                    "xy",
                    16),
            "0123456789ab...");
  EXPECT_EQ(escaped("\x01\x01\x01", 16), "\\u0001\\u0001...");
  EXPECT_EQ(escaped("\x01\x01\x01", 18), "\\u0001\\u0001\\u0001");
}

TEST(JsonEscape, IsAPrefixAtEveryCap) {
  std::string text = "GET \"/\xE2\x82\xAC/\x7F\xFF\\ and \xF0\x9F\x98\x80 more\nlines than that";
  const std::string whole = escaped_by_base(text);
  for (std::size_t cap = kMinEscapedBytes; cap <= whole.size() + 2; ++cap) {
    std::string cut = escaped(text, cap);
    ASSERT_LE(cut.size(), cap);
    if (cap >= whole.size()) {
      ASSERT_EQ(cut, whole);
      continue;
    }
    ASSERT_TRUE(cut.ends_with("..."));
    ASSERT_GE(cut.size(), cap - 8) << "cut more than one character and the mark";
    std::string before = cut.substr(0, cut.size() - 3);
    ASSERT_TRUE(whole.starts_with(before));
    ASSERT_TRUE(parsed(whole).starts_with(parsed(before)));
  }
}

}  // namespace
}  // namespace lotagate::telemetry
