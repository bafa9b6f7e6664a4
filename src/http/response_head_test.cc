#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "http/test_heads.h"
#include "http/test_messages.h"
#include "http/test_rewrite.h"
#include "http/test_second_opinion.h"

namespace lotagate::http {
namespace {

using namespace std::string_literals;

std::string response_outcome(std::string_view bytes, const std::vector<std::size_t>& way) {
  std::size_t head_bytes = 0;
  switch (scan(bytes, way, head_bytes)) {
    case HeadScanner::Status::incomplete: return "incomplete";
    case HeadScanner::Status::malformed: return "upstream_invalid";
    case HeadScanner::Status::complete: break;
  }
  ResponseHead head;
  return outcome(parse_response_head(bytes.substr(0, head_bytes), HeadLimits{}, head));
}

// Written anew, an accepted head parses to the same; and llhttp reads the same from it.
void expect_faithful_response(const std::string& bytes) {
  ResponseHead head;
  ASSERT_TRUE(parse_response_head(bytes, HeadLimits{}, head));
  std::string written = write_head(head, 2 * bytes.size() + 64);
  ResponseHead again;
  ASSERT_TRUE(parse_response_head(written, HeadLimits{}, again));
  EXPECT_EQ(head.status, again.status);
  EXPECT_EQ(head.reason, again.reason);
  EXPECT_TRUE(same_fields(head.fields, again.fields));

  SecondOpinion second(HTTP_RESPONSE, bytes);
  EXPECT_TRUE(second.has_head);
  EXPECT_EQ(second.status, head.status);
  EXPECT_EQ(second.start_text, head.reason);
  EXPECT_TRUE(second.agrees_on(head.fields));
}

void expect_responses(const std::vector<HeadRow>& rows) {
  for (const HeadRow& row : rows) {
    SCOPED_TRACE(testing::PrintToString(row.bytes));
    for (const auto& way : arrivals(row.bytes.size())) ASSERT_EQ(response_outcome(row.bytes, way), row.expected);
    if (row.expected == "ok") expect_faithful_response(row.bytes);
  }
}

std::string with_status(std::string_view line) { return std::string(line) + "\r\nDate: now\r\n\r\n"; }

TEST(ResponseHead, SoundHeadsParse) {
  expect_responses({
      {with_status("HTTP/1.1 200 OK"), "ok"},
      {with_status("HTTP/1.0 404 Not Found"), "ok"},
      {with_status("HTTP/1.1 200 "), "ok"},
      {with_status("HTTP/1.1 200"), "ok"},
      {with_status("HTTP/1.1 103 Early Hints"), "ok"},
      {with_status("HTTP/1.1 599 \xC3\xA4"), "ok"},
  });
}

TEST(ResponseHead, PartsAreViewsIntoTheBytes) {
  TestResponse response("Content-Type: a\r\n", "HTTP/1.0 404 Not Found\r\n");
  ASSERT_TRUE(response.parsed);
  EXPECT_EQ(response.head.status, 404);
  EXPECT_EQ(response.head.reason, "Not Found");
  EXPECT_EQ(response.head.minor, 0);
  EXPECT_EQ(response.head.fields.items.at(0).id, FieldName::content_type);
}

TEST(ResponseHead, P07WhatIsNotHttpIsRefused) {
  expect_responses({
      {with_status("HTTP/1.1 99 Low"), "upstream_invalid"},
      {with_status("HTTP/1.1 099 Low"), "upstream_invalid"},
      {with_status("HTTP/1.1 600 High"), "upstream_invalid"},
      {with_status("HTTP/1.1 2000 OK"), "upstream_invalid"},
      {with_status("HTTP/1.1 2x0 OK"), "upstream_invalid"},
      {with_status("HTTP/1.1  200 OK"), "upstream_invalid"},
      {with_status("HTTP/1.1\t200 OK"), "upstream_invalid"},
      {with_status("HTTP/1.1 200\tOK"), "upstream_invalid"},
      {with_status("HTTP/1.1 200 O\rK"), "upstream_invalid"},
      {with_status("HTTP/1.1 200 O\0K"s), "upstream_invalid"},
      {with_status("HTTP/1.1"), "upstream_invalid"},
      {with_status("HTTP/2.0 200 OK"), "upstream_invalid"},
      {with_status("http/1.1 200 OK"), "upstream_invalid"},
      {with_status("ICY 200 OK"), "upstream_invalid"},
      {"\r\n\r\n", "upstream_invalid"},
      {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\n\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\r\nA:\r?B: c\r\n\r\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\r\nA:\r\n \r\n\r\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\r\nA\r\n\r\n", "upstream_invalid"},
      {"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "upstream_invalid"},
  });
}

TEST(ResponseHead, L03FoldedLinesAreRefused) {
  expect_responses({{"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "upstream_invalid"},
                    {"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "upstream_invalid"}});
}

TEST(ResponseHead, L14LimitsHold) {
  std::string fields;
  for (int i = 0; i < 100; ++i) fields += "X: y\r\n";
  EXPECT_TRUE(TestResponse(fields).parsed);
  EXPECT_EQ(outcome(TestResponse(fields + "X: y\r\n").parsed), "upstream_invalid");
  EXPECT_EQ(outcome(TestResponse("X: " + std::string(32'768, 'v') + "\r\n").parsed), "upstream_invalid");
}

}  // namespace
}  // namespace lotagate::http
