#include "http/field_lines.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace lotagate::http {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

FieldFault read(std::string_view lines, Fields* fields = nullptr, std::size_t max_fields = 100) {
  FieldList list;
  FieldFault fault = read_field_lines(lines, max_fields, list);
  if (fields != nullptr) {
    for (const Field& field : list.items) fields->emplace_back(field.name, field.value);
  }
  return fault;
}

TEST(FieldLines, NamesAndValuesWithoutTheBlanksAroundThem) {
  Fields fields;
  ASSERT_EQ(
      read("Host: a\r\nX-Empty:\r\nX-Blank: \t \r\nX:b  c\t d \t\r\n!#$%&'*+-.^_`|~09Az: \x80\xFF\r\n\r\n", &fields),
      FieldFault::none);
  EXPECT_EQ(
      fields,
      (Fields{
          {"Host", "a"}, {"X-Empty", ""}, {"X-Blank", ""}, {"X", "b  c\t d"}, {"!#$%&'*+-.^_`|~09Az", "\x80\xFF"}}));
  EXPECT_EQ(read("\r\n"), FieldFault::none);
}

TEST(FieldLines, EveryByteInNameAndValue) {
  for (int i = 0; i < 256; ++i) {
    char c = static_cast<char>(i);
    // Long enough for the part of the check that takes many bytes at a time, and for its rest.
    std::string filler(37, 'v');
    bool in_value = i >= 0x80 || (i >= 0x20 && i != 0x7F) || c == '\t';
    bool in_name = is_token({&c, 1});
    EXPECT_EQ(read("X: " + filler + c + filler + "\r\n\r\n") == FieldFault::none, in_value) << i;
    EXPECT_EQ(read("X: a" + std::string(1, c) + "b\r\n\r\n") == FieldFault::none, in_value) << i;
    if (c != ':') EXPECT_EQ(read("X" + std::string(1, c) + "Y: v\r\n\r\n") == FieldFault::none, in_name) << i;
  }
}

TEST(FieldLines, AnythingElseIsRefused) {
  for (std::string_view lines : {
           "",
           "\r",
           "\n",
           "\r\r",
           "X: a\r\n",
           "X: a\r\n\r",
           "X: a\r\n\rX",
           "X: a\n\r\n",
           "X: a\r\r\n\r\n",  // ends
           ": a\r\n\r\n",
           "X\r\n\r\n",
           "X : a\r\n\r\n",
           "X\t: a\r\n\r\n",
           " X: a\r\n\r\n",
           "\tX: a\r\n\r\n",  // names
           "X: a\r\n b\r\n\r\n",
           "X:\r\n b\r\n\r\n",
           "X: a\r\n\tb\r\n\r\n",
           "X: a\r\n \r\n\r\n",  // folded
           "X:\rY: b\r\n\r\n",
           "X:\r?Transfer-Encoding: chunked\r\n\r\n",
           "X: a\rb\r\n\r\n",           // bare CR
           "X: a\r\n\r\nY: b\r\n\r\n",  // behind the end
       }) {
    EXPECT_EQ(read(lines), FieldFault::syntax) << testing::PrintToString(lines);
  }
}

TEST(FieldLines, TheNumberOfFieldsIsLimited) {
  EXPECT_EQ(read("A: 1\r\nB: 2\r\n\r\n", nullptr, 2), FieldFault::none);
  EXPECT_EQ(read("A: 1\r\nB: 2\r\nC: 3\r\n\r\n", nullptr, 2), FieldFault::too_many);
}

}  // namespace
}  // namespace lotagate::http
