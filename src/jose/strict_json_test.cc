#include "jose/strict_json.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>

namespace lotagate::jose {
namespace {

std::string_view refusal_of(std::string_view text, JsonLimits limits = {.max_bytes = 1 << 20, .max_depth = 16}) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  return parse_strict_json(parser, text, limits, document);
}

std::string nested(std::size_t depth, std::string_view open, std::string_view inner, std::string_view close) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  text += inner;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(StrictJson, TakesWhatIsPlain) {
  for (auto text : {"{}", "[]", R"({"a":1,"b":{"a":[1,{"a":2}]}})", R"("\u00e9\ud83d\ude00")", "1e300", " {} \n"}) {
    EXPECT_EQ(refusal_of(text), "") << text;
  }
}

TEST(Attack, J10_DuplicateMembersAtAnyDepth) {
  EXPECT_EQ(refusal_of(R"({"a":1,"a":1})"), "json_duplicate_member");
  EXPECT_EQ(refusal_of(R"({"a":1,"b":2,"\u0061":3})"), "json_duplicate_member") << "an escape is the same name";
  EXPECT_EQ(refusal_of(R"({"x":[[{"y":{"a":1,"a":2}}]]})"), "json_duplicate_member");
  EXPECT_EQ(refusal_of(R"({"a":1,"A":1})"), "");
}

TEST(Attack, J10_NotJsonAfterAll) {
  for (std::string_view text :
       {"", " ", "{} x", "{}{}", "{\"a\":1,}", "{'a':1}", "{a:1}", "/*c*/{}", "{}//", "[NaN]", "[Infinity]", "[01]",
        "[+1]", "[.5]", "[1.]", "{\"a\":\"\n\"}", "nul", "[\"\\x\"]", "{\"a\"}"}) {
    EXPECT_NE(refusal_of(text), "") << text;
  }
  EXPECT_EQ(refusal_of("\xEF\xBB\xBF{}"), "json_byte_order_mark");
  EXPECT_EQ(refusal_of("{\"a\":\"\xC0\xAF\"}"), "json_invalid_utf8");
  EXPECT_EQ(refusal_of("{\"a\":\"\xED\xA0\x80\"}"), "json_invalid_utf8");
  EXPECT_NE(refusal_of(std::string_view("{}\0", 3)), "");
}

TEST(Attack, J10_LoneSurrogates) {
  for (auto text : {R"(["\ud800"])", R"(["\udc00"])", R"(["\ud800x"])", R"(["\ud800\ud800"])", R"({"\udc00":1})",
                    R"(["\udc00\ud800"])", R"("\udfff")"}) {
    EXPECT_NE(refusal_of(text), "") << text;
  }
}

TEST(Attack, J11_DepthIsCountedExactly) {
  EXPECT_EQ(refusal_of(nested(16, "[", "", "]")), "");
  EXPECT_EQ(refusal_of(nested(17, "[", "", "]")), "json_too_deep");
  EXPECT_EQ(refusal_of(nested(16, "[", "1", "]")), "");
  EXPECT_EQ(refusal_of(nested(17, "[", "1", "]")), "json_too_deep");
  EXPECT_EQ(refusal_of(nested(16, R"({"a":)", "1", "}")), "");
  EXPECT_EQ(refusal_of(nested(17, R"({"a":)", "{}", "}")), "json_too_deep");
  EXPECT_EQ(refusal_of(nested(100000, "[", "", "]")), "json_too_deep");
}

TEST(Attack, J11_NumbersBeyondTheirTypes) {
  for (auto text : {"[1e999]", "[-1e999]", "[100000000000000000000000]", "[-9223372036854775809]"}) {
    EXPECT_NE(refusal_of(text), "") << text;
  }
  EXPECT_EQ(refusal_of("[18446744073709551615,-9223372036854775808,1e20]"), "");
}

TEST(Attack, J11_SizesAreBounded) {
  EXPECT_EQ(refusal_of("[1,2,3]", {.max_bytes = 6, .max_depth = 16}), "json_too_large");
  std::string many = "{";
  for (int i = 0; i < 10000; ++i) many += "\"m" + std::to_string(i) + "\":0,";
  EXPECT_EQ(refusal_of(many + "\"last\":0}"), "");
  EXPECT_EQ(refusal_of(many + "\"m0\":0}"), "json_duplicate_member");
}

TEST(StrictJson, AParserServesDocumentsOfAnySizeInAnyOrder) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string large = "[\"" + std::string(5000, 'x') + "\"]";
  for (std::string_view text : {std::string_view("[1]"), std::string_view(large), std::string_view("{\"a\":2}")}) {
    EXPECT_EQ(parse_strict_json(parser, text, {.max_bytes = 1 << 20}, document), "");
  }
  EXPECT_EQ(int64_t(document["a"]), 2);
}

}  // namespace
}  // namespace lotagate::jose
