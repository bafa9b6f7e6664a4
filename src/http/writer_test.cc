#include "http/writer.h"

#include <gtest/gtest.h>

namespace lotagate::http {
namespace {

TEST(HeadWriter, OverflowIsRememberedNotWritten) {
  char out[8] = {};
  HeadWriter writer(out, 4);
  writer.text("abc");
  EXPECT_EQ(writer.room(), 1u);
  writer.text("de");
  EXPECT_TRUE(writer.overflowed());
  EXPECT_EQ(writer.view(), "abc");
  EXPECT_EQ(out[4], 0);
}

TEST(HeadWriter, WritesFieldsAndNumbers) {
  char out[64];
  HeadWriter writer(out, sizeof out);
  writer.field("A", "b");
  writer.field("N", UINT64_MAX);
  writer.end_of_head();
  EXPECT_FALSE(writer.overflowed());
  EXPECT_EQ(writer.view(), "A: b\r\nN: 18446744073709551615\r\n\r\n");
}

}  // namespace
}  // namespace lotagate::http
