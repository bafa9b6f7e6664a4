#include "http/head.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "http/test_heads.h"
#include "http/test_messages.h"
#include "http/test_rewrite.h"
#include "http/test_second_opinion.h"

namespace lotagate::http {
namespace {

using namespace std::string_literals;

std::string request_outcome(std::string_view bytes, const std::vector<std::size_t>& way) {
  std::size_t head_bytes = 0;
  switch (scan(bytes, way, head_bytes)) {
    case HeadScanner::Status::incomplete: return "incomplete";
    case HeadScanner::Status::malformed: return "bad_request";
    case HeadScanner::Status::complete: break;
  }
  RequestHead head;
  return outcome(parse_request_head(bytes.substr(0, head_bytes), HeadLimits{}, head));
}

// Written anew, an accepted head parses to the same; and llhttp reads the same from it.
void expect_faithful_request(const std::string& bytes) {
  RequestHead head;
  ASSERT_TRUE(parse_request_head(bytes, HeadLimits{}, head));
  std::string written = write_head(head, 2 * bytes.size() + 64);
  RequestHead again;
  ASSERT_TRUE(parse_request_head(written, HeadLimits{}, again));
  EXPECT_EQ(head.method, again.method);
  EXPECT_EQ(head.target, again.target);
  EXPECT_EQ(head.minor, again.minor);
  EXPECT_TRUE(same_fields(head.fields, again.fields));

  SecondOpinion second(HTTP_REQUEST, bytes);
  EXPECT_TRUE(second.has_head);
  EXPECT_EQ(second.method, head.method);
  EXPECT_EQ(second.start_text, head.target);
  EXPECT_TRUE(second.agrees_on(head.fields));
}

void expect_requests(const std::vector<HeadRow>& rows) {
  for (const HeadRow& row : rows) {
    SCOPED_TRACE(testing::PrintToString(row.bytes));
    for (const auto& way : arrivals(row.bytes.size())) ASSERT_EQ(request_outcome(row.bytes, way), row.expected);
    if (row.expected == "ok") expect_faithful_request(row.bytes);
  }
}

std::string with_field(std::string_view line) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(line) + "\r\nAccept: b\r\n\r\n";
}

std::string with_line(std::string_view line) { return std::string(line) + "\r\nHost: a\r\n\r\n"; }

TEST(RequestHead, SoundHeadsParse) {
  expect_requests({
      {"GET / HTTP/1.1\r\n\r\n", "ok"},
      {with_line("POST /a/b?c=d HTTP/1.1"), "ok"},
      {with_line("GET / HTTP/1.0"), "ok"},
      {with_line("OPTIONS * HTTP/1.1"), "ok"},
      {with_line("GET http://b.example/c HTTP/1.1"), "ok"},
      {with_field("X-Empty:"), "ok"},
      {with_field("X-Empty: \t "), "ok"},
      {with_field("X-Tight:value"), "ok"},
      {with_field("X-Loose: \t value \t"), "ok"},
      {with_field("X-Colons: a:b::c"), "ok"},
      {with_field("!#$%&'*+-.^_`|~09azAZ: every token character"), "ok"},
  });
}

TEST(RequestHead, PartsAreViewsIntoTheBytes) {
  TestRequest request("Host: a\r\nX-Loose: \t va lue \t\r\nX-Empty:\r\n", "PUT /p?q HTTP/1.0\r\n");
  ASSERT_TRUE(request.parsed);
  EXPECT_EQ(request.head.method, "PUT");
  EXPECT_EQ(request.head.target, "/p?q");
  EXPECT_EQ(request.head.minor, 0);
  ASSERT_EQ(request.head.fields.items.size(), 3u);
  EXPECT_EQ(request.head.fields.items[0].id, FieldName::host);
  EXPECT_EQ(request.head.fields.items[1].name, "X-Loose");
  EXPECT_EQ(request.head.fields.items[1].value, "va lue");
  EXPECT_EQ(request.head.fields.items[2].value, "");
  EXPECT_EQ(request.head.method.data(), request.bytes.data());
}

TEST(RequestHead, F10HiddenTransferEncodingIsRefused) {
  expect_requests({
      {with_field("Transfer-Encoding : chunked"), "bad_request"},
      {with_field("Transfer-Encoding\t: chunked"), "bad_request"},
      {with_field("Transfer-Encoding\v: chunked"), "bad_request"},
      {with_field("Transfer-Encoding\f: chunked"), "bad_request"},
      {with_field("Transfer-Encoding\0: chunked"s), "bad_request"},
      {with_field("Transfer-Encoding\x7f: chunked"), "bad_request"},
      {with_field("Transfer-Encoding\x85: chunked"), "bad_request"},
      {with_field("\xA0Transfer-Encoding: chunked"), "bad_request"},
      {with_field("\xFFTransfer-Encoding: chunked"), "bad_request"},
      {with_field("Transfer-Encoding: \vchunked"), "bad_request"},
      {with_field("Transfer-Encoding: chunked\f"), "bad_request"},
      {with_field("Transfer-Encoding: \0chunked"s), "bad_request"},
      {with_field("Transfer-Encoding: chunked\x7f"), "bad_request"},
      {with_field("Transfer\r-Encoding: chunked"), "bad_request"},
      {with_field("Transfer-Encoding:\r\n chunked"), "bad_request"},
      {with_field("Transfer-Encoding\r\n: chunked"), "bad_request"},
  });
}

TEST(RequestHead, L01BareLfIsRefused) {
  expect_requests({
      {"GET / HTTP/1.1\n\n", "bad_request"},
      {"GET / HTTP/1.1\nHost: a\r\n\r\n", "bad_request"},
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", "bad_request"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", "bad_request"},
      {with_field("X: a\nb"), "bad_request"},
      {with_field("X: a\nTransfer-Encoding: chunked"), "bad_request"},
  });
}

TEST(RequestHead, L02BareCrIsRefused) {
  expect_requests({
      {"GET / HTTP/1.1\r\n\rX", "incomplete"},
      {"GET / HTTP/1.1\r\n\rX\r\n\r\n", "bad_request"},
      {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "bad_request"},
      {"GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", "bad_request"},
      {"GET\r/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request"},
      {with_field("X: a\rb"), "bad_request"},
      {with_field("X: a\r"), "bad_request"},
      {with_field("X\r: a"), "bad_request"},
      {with_field("\rX: a"), "bad_request"},
      {with_field("X:\ra"), "bad_request"},
      {with_field("X:\r\ta"), "bad_request"},
      {with_field("X: \r a"), "bad_request"},
      {with_field("X:\rY: a"), "bad_request"},
      {with_field("X:\r?Transfer-Encoding: chunked"), "bad_request"},
      {with_field("X: \r\r\nTransfer-Encoding: chunked"), "bad_request"},
      {with_field("X:\r\n \r?Transfer-Encoding: chunked"), "bad_request"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", "bad_request"},
  });
}

TEST(RequestHead, L03FoldedLinesAreRefused) {
  expect_requests({
      {with_field("X: a\r\n b"), "bad_request"},
      {with_field("X: a\r\n\tb"), "bad_request"},
      {with_field("X:\r\n b"), "bad_request"},
      {with_field("X: a\r\n "), "bad_request"},
      {with_field("X:\r\n "), "bad_request"},
      {with_field("X: \r\n\t"), "bad_request"},
      {"GET / HTTP/1.1\r\nX:\r\n \r\n\r\n", "bad_request"},
      {with_field("X: a\r\n b: c"), "bad_request"},
  });
}

TEST(RequestHead, L04SpaceBeforeTheColonIsRefused) {
  expect_requests({{with_field("X : a"), "bad_request"},
                   {with_field("X\t: a"), "bad_request"},
                   {with_field("X Y: a"), "bad_request"}});
}

TEST(RequestHead, L05OddNamesAreRefused) {
  expect_requests({
      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "bad_request"},
      {"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", "bad_request"},
      {with_field("no colon"), "bad_request"},
      {with_field("nocolon"), "bad_request"},
      {with_field(":"), "bad_request"},
      {with_field(": x"), "bad_request"},
      {with_field("X(Y): a"), "bad_request"},
      {with_field("X\"Y: a"), "bad_request"},
      {with_field("X/Y: a"), "bad_request"},
      {with_field("X\xC3\xA4: a"), "bad_request"},
      {with_field("X\x80: a"), "bad_request"},
  });
}

TEST(RequestHead, L06ControlsInValuesAreRefusedAndObsTextPasses) {
  for (int c = 0; c < 256; ++c) {
    bool is_sound = c == '\t' || (c >= 0x20 && c != 0x7F);
    std::string value = "a" + std::string(1, static_cast<char>(c)) + "b";
    expect_requests({{with_field("X: " + value), is_sound ? "ok" : "bad_request"}});
    if (!is_sound) continue;
    TestRequest request("X: " + value + "\r\n");
    ASSERT_TRUE(request.parsed);
    EXPECT_EQ(request.head.fields.items[0].value, value);
  }
}

TEST(RequestHead, L07Versions) {
  expect_requests({
      {with_line("GET / http/1.1"), "bad_request"},
      {with_line("GET / HTTP/1"), "bad_request"},
      {with_line("GET / HTTP/1."), "bad_request"},
      {with_line("GET / HTTP/01.1"), "bad_request"},
      {with_line("GET / HTTP/1.10"), "bad_request"},
      {with_line("GET / HTTP/ 1.1"), "bad_request"},
      {with_line("GET / HTTP/1.1 "), "bad_request"},
      {with_line("GET / HTTP/0.9"), "bad_request"},
      {with_line("GET / HTTP/1.a"), "bad_request"},
      {with_line("GET / HTTPS/1.1"), "bad_request"},
      {with_line("GET / ICE/1.0"), "bad_request"},
      {with_line("GET / HTTP/2.0"), "version_not_supported"},
      {with_line("GET / HTTP/9.9"), "version_not_supported"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version_not_supported"},
  });
  for (char digit = '0'; digit <= '9'; ++digit) {
    TestRequest request("Host: a\r\n", "GET / HTTP/1." + std::string(1, digit) + "\r\n");
    ASSERT_TRUE(request.parsed) << digit;
    EXPECT_EQ(request.head.minor, digit == '0' ? 0 : 1);
  }
}

TEST(RequestHead, L08OddRequestLinesAreRefused) {
  expect_requests({
      {"GET /\r\n\r\n", "bad_request"},
      {"GET /\r\n", "incomplete"},
      {"GET /\n", "bad_request"},
      {with_line("GET"), "bad_request"},
      {with_line("GET "), "bad_request"},
      {with_line("GET HTTP/1.1"), "bad_request"},
      {with_line("GET  HTTP/1.1"), "bad_request"},
      {with_line("GET  / HTTP/1.1"), "bad_request"},
      {with_line("GET /  HTTP/1.1"), "bad_request"},
      {with_line("GET\t/ HTTP/1.1"), "bad_request"},
      {with_line("GET /\tHTTP/1.1"), "bad_request"},
      {with_line("GET\v/ HTTP/1.1"), "bad_request"},
      {with_line("GET /\fHTTP/1.1"), "bad_request"},
      {with_line("GET /a b HTTP/1.1"), "bad_request"},
      {with_line(" GET / HTTP/1.1"), "bad_request"},
      {with_line("\x16\x03\x01"), "bad_request"},
      {with_line("\x80GET / HTTP/1.1"), "bad_request"},
  });
}

TEST(RequestHead, L09Methods) {
  expect_requests({
      {with_line("PATCH / HTTP/1.1"), "ok"},
      {with_line("PROPFIND / HTTP/1.1"), "ok"},
      {with_line("get / HTTP/1.1"), "not_implemented"},
      {with_line("GETS / HTTP/1.1"), "not_implemented"},
      {with_line("GE / HTTP/1.1"), "not_implemented"},
      {with_line("BREW /pot HTTP/1.1"), "not_implemented"},
      {with_line(std::string(300, 'A') + " / HTTP/1.1"), "not_implemented"},
      {with_line("CONNECT a:80 HTTP/1.1"), "not_implemented"},
      {with_line("TRACE / HTTP/1.1"), "not_implemented"},
      {with_line("G(ET / HTTP/1.1"), "bad_request"},
      {with_line("G\xC3\x84T / HTTP/1.1"), "bad_request"},
      {with_line("\"GET\" / HTTP/1.1"), "bad_request"},
  });
}

TEST(RequestHead, L13LeadingBlankLinesAreSkippedUpToABound) {
  EXPECT_EQ(leading_blank_bytes("GET"), 0u);
  EXPECT_EQ(leading_blank_bytes("\r\nGET"), 2u);
  EXPECT_EQ(leading_blank_bytes("\r\n\r\n\r\n\r\nGET"), 8u);
  EXPECT_EQ(leading_blank_bytes("\r\n\r\n\r\n\r\n\r\nGET"), 8u);
  EXPECT_EQ(leading_blank_bytes("\r"), 0u);
  EXPECT_EQ(leading_blank_bytes("\nGET"), 0u);
  HeadScanner scanner;
  EXPECT_EQ(scanner.scan("\r\nGET / HTTP/1.1\r\n\r\n"), HeadScanner::Status::malformed);
}

TEST(RequestHead, L14LimitsAreExact) {
  auto parse = [](const std::string& bytes) {
    RequestHead head;
    return outcome(parse_request_head(bytes, HeadLimits{}, head));
  };
  auto target = [](std::size_t bytes) { return with_line("GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1"); };
  EXPECT_EQ(parse(target(8000)), "ok");
  EXPECT_EQ(parse(target(8192)), "ok");
  EXPECT_EQ(parse(target(8193)), "uri_too_long");
  EXPECT_EQ(parse(target(40'000)), "uri_too_long");

  auto fields = [](std::size_t count) {
    std::string bytes = "GET / HTTP/1.1\r\n";
    for (std::size_t i = 0; i < count; ++i) bytes += "X: y\r\n";
    return bytes + "\r\n";
  };
  EXPECT_EQ(parse(fields(100)), "ok");
  EXPECT_EQ(parse(fields(101)), "headers_too_large");

  auto sized = [](std::size_t bytes) {
    std::string head = "GET / HTTP/1.1\r\nX: ";
    return head + std::string(bytes - head.size() - 4, 'v') + "\r\n\r\n";
  };
  EXPECT_EQ(parse(sized(32'768)), "ok");
  EXPECT_EQ(parse(sized(32'769)), "headers_too_large");
}

TEST(RequestHead, ParsingAgainReplacesTheFields) {
  RequestHead head;
  ASSERT_TRUE(parse_request_head("GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n", HeadLimits{}, head));
  ASSERT_TRUE(parse_request_head("GET / HTTP/1.1\r\nE: f\r\n\r\n", HeadLimits{}, head));
  ASSERT_EQ(head.fields.items.size(), 1u);
  EXPECT_EQ(head.fields.items[0].name, "E");
}

// The parser does not lean on the scanner: bytes that are not exactly one head are refused.
TEST(RequestHead, BytesThatAreNotExactlyOneHeadAreRefused) {
  const std::string head = with_line("GET / HTTP/1.1");
  for (std::size_t size = 0; size < head.size(); ++size) {
    RequestHead out;
    EXPECT_EQ(outcome(parse_request_head(std::string_view(head).substr(0, size), HeadLimits{}, out)), "bad_request");
  }
  RequestHead out;
  EXPECT_EQ(outcome(parse_request_head(head + "x", HeadLimits{}, out)), "bad_request");
  EXPECT_EQ(outcome(parse_request_head(head + head, HeadLimits{}, out)), "bad_request");
  for (std::string_view line_ends_odd :
       {"GET / HTTP/1.1\n\r\n", "GET / HTTP/1.1X\n\r\n", "GET / HTTP/1.1\r\nA: bX\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\nX\n", "GET / HTTP/1.1\r\n\n"}) {
    EXPECT_EQ(outcome(parse_request_head(line_ends_odd, HeadLimits{}, out)), "bad_request") << line_ends_odd;
  }
}

TEST(HeadScanner, TellsWhereTheHeadEnds) {
  const std::string head = with_line("POST / HTTP/1.1");
  const std::string bytes = head + "body\r\n\r\n";
  HeadScanner scanner;
  EXPECT_EQ(scanner.scan("POST"), HeadScanner::Status::incomplete);
  EXPECT_FALSE(scanner.has_first_line());
  EXPECT_EQ(scanner.scan("POST / HTTP/1.1\r\nH"), HeadScanner::Status::incomplete);
  EXPECT_TRUE(scanner.has_first_line());
  EXPECT_EQ(scanner.scan(bytes), HeadScanner::Status::complete);
  EXPECT_EQ(scanner.head_bytes(), head.size());
  scanner.reset();
  EXPECT_FALSE(scanner.has_first_line());
}

TEST(FieldList, FindsFieldsByTheirMeaning) {
  TestRequest request("Accept: 1\r\nHost: a\r\nACCEPT: 2\r\n");
  const FieldList& fields = request.head.fields;
  EXPECT_EQ(fields.count(FieldName::accept), 2u);
  EXPECT_EQ(fields.first(FieldName::accept)->value, "1");
  EXPECT_EQ(fields.only(FieldName::accept), nullptr);
  EXPECT_EQ(fields.only(FieldName::host)->value, "a");
  EXPECT_EQ(fields.only(FieldName::cookie), nullptr);
  EXPECT_EQ(fields.first(FieldName::cookie), nullptr);
}

TEST(SalvageRequestLine, ShowsWhatCanBeSeen) {
  struct Case {
    std::string_view bytes, method, target;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"GET /a HTTP/1.1\r\nX : y\r\n\r\n", "GET", "/a"},
           {"GET /a", "GET", "/a"},
           {"GET /a b c\n", "GET", "/a"},
           {"GET", "GET", ""},
           {"GET ", "GET", ""},
           {"", "", ""},
           {"\x16\x03\x01 x", "", ""},
           {"G\rT / HTTP/1.1\r\n", "G", ""},
           {"ABCDEFGHIJABCDEFGHIJABCDEFGHIJABCDEFGHIJ /a HTTP/1.1", "ABCDEFGHIJABCDEFGHIJABCDEFGHIJAB", "/a"},
       }) {
    std::string_view method, target;
    salvage_request_line(c.bytes, method, target);
    EXPECT_EQ(method, c.method) << c.bytes;
    EXPECT_EQ(target, c.target) << c.bytes;
  }
}

}  // namespace
}  // namespace lotagate::http
