#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

namespace lotagate {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

TEST(Utf8, OnlyTheShortestFormOfACharacterIsOne) {
  struct Case {
    std::string_view text;
    std::size_t bytes;
  };
  for (const Case& c : std::initializer_list<Case>{{"a", 1},
                                                   {"\x7f", 1},
                                                   {"\xC2\x80", 2},
                                                   {"\xE0\xA0\x80", 3},
                                                   {"\xED\x9F\xBF", 3},
                                                   {"\xEE\x80\x80", 3},
                                                   {"\xF0\x90\x80\x80", 4},
                                                   {"\xF4\x8F\xBF\xBF", 4},
                                                   {"\x80", 0},
                                                   {"\xC1\xBF", 0},
                                                   {"\xC2", 0},
                                                   {"\xC2x", 0},
                                                   {"\xE0\x9F\xBF", 0},
                                                   {"\xED\xA0\x80", 0},
                                                   {"\xE2\x82", 0},
                                                   {"\xF0\x8F\xBF\xBF", 0},
                                                   {"\xF4\x90\x80\x80", 0},
                                                   {"\xF5\x80\x80\x80", 0},
                                                   {"\xFF", 0}}) {
    EXPECT_EQ(utf8_sequence_bytes(c.text), c.bytes) << testing::PrintToString(c.text);
  }
}

TEST(JsonEscape, EscapesEverythingThatCouldBreakALine) {
  EXPECT_EQ(escaped("plain /path?x=1"), "plain /path?x=1");
  EXPECT_EQ(escaped("a\"b\\c"), "a\\\"b\\\\c");
  EXPECT_EQ(escaped("\r\n\x1b\x7f"), "\\u000d\\u000a\\u001b\\u007f");
  EXPECT_EQ(escaped(std::string_view("\0", 1)), "\\u0000");
  EXPECT_EQ(escaped("\xE2\x80\xA8|\xE2\x80\xA9"), "\\u2028|\\u2029");
}

TEST(JsonEscape, KeepsValidUtf8AndReplacesTheRest) {
  EXPECT_EQ(escaped("\xC3\xA9 \xF0\x9F\x98\x80"), "\xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(escaped("\xC0\xAF"), "\\ufffd\\ufffd");             // overlong
  EXPECT_EQ(escaped("\xED\xA0\x80"), "\\ufffd\\ufffd\\ufffd");  // surrogate
  EXPECT_EQ(escaped("\xE2\x80"), "\\ufffd\\ufffd");             // truncated
}

TEST(ParseDecimal, TakesDigitsOnly) {
  EXPECT_EQ(parse_decimal("010"), 10u);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  for (auto bad : {"", "+5", "-5", "0x5", "5.0", " 5", "5 ", "18446744073709551616"}) {
    EXPECT_FALSE(parse_decimal(bad)) << bad;
  }
}

TEST(NearestName, FindsTheTypoAndNotTheStranger) {
  std::vector<std::string_view> names{"listeners", "services", "routes"};
  EXPECT_EQ(nearest_name("listners", names), "listeners");
  EXPECT_EQ(nearest_name("route", names), "routes");
  EXPECT_EQ(nearest_name("zebra", names), "");
}

TEST(Arena, KeepsItsFirstBlockAcrossResets) {
  Arena arena(64);
  auto* first = arena.allocate(8);
  EXPECT_EQ(arena.concat({"ab", "", "cd"}), "abcd");
  arena.allocate(1000);
  arena.reset();
  EXPECT_EQ(arena.allocate(8), first);
}

TEST(BufferPool, ReusesTheLastBufferGivenBack) {
  BufferPool pool;
  Buffer one = pool.take();
  char* data = one.data();
  one.release();
  Buffer two = pool.take();
  EXPECT_EQ(two.data(), data);
  EXPECT_EQ(pool.take(kSmallBufferBytes + 1).capacity(), kLargeBufferBytes);
  EXPECT_EQ(pool.outstanding(), 1u);
}

TEST(ErrorTable, EveryCodeHasItsOwnNameAndAnErrorStatus) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kErrorCodeCount; ++i) {
    const auto& info = error_info(static_cast<ErrorCode>(i));
    EXPECT_GE(info.status, 400) << info.name;
    EXPECT_EQ(std::count(names.begin(), names.end(), info.name), 0) << info.name;
    names.push_back(info.name);
  }
}

}  // namespace
}  // namespace lotagate
