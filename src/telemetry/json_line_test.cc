#include "telemetry/json_line.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <vector>

namespace lotagate::telemetry {
namespace {

using std::chrono::microseconds;

RequestRecord full_record() {
  RequestRecord record;
  record.time = WallTime(seconds(1'763'869'000) + milliseconds(42));
  record.request_id = "01HF7";
  record.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  record.method = "GET";
  record.path = "/api/v1/models";
  record.query = "token=secret&page=2";
  record.route = "models";
  record.service = "training";
  record.endpoint = "127.0.0.1:7002";
  record.user = "u-17";
  record.credential = "api_key";
  record.key_id = "k-1";
  record.policy = PolicyOutcome::allow;
  record.client = parse_ip("192.0.2.255").value();
  record.status = 502;
  record.code = ErrorCode::upstream_reset;
  record.reason = "connection reset by peer";
  record.bytes_in = 12;
  record.bytes_out = 18446744073709551615u;
  record.duration = microseconds(12345);
  record.queue_duration = microseconds(5001);
  record.upstream_duration = microseconds(12001);
  record.attempts = 2;
  record.end = RequestEnd::upstream_failed;
  return record;
}

std::string line_of(const RequestRecord& record) {
  LineFormatter formatter;
  std::vector<char> out(kMaxLineBytes);
  char* end = formatter.format(out.data(), record);
  return {out.data(), end};
}

// The text of `member` in the line, decoded by a real parser; fails the test if the line is not one JSON object.
std::string member_of(const std::string& line, const char* member) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view text;
  EXPECT_EQ(parser.parse(line).get(document), simdjson::SUCCESS) << line;
  EXPECT_EQ(document[member].get(text), simdjson::SUCCESS) << line;
  return std::string(text);
}

TEST(JsonLine, HasEveryMember) {
  EXPECT_EQ(
      line_of(full_record()),
      R"({"time":"2025-11-23T03:36:40.042Z","request_id":"01HF7","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",)"
      R"("client":"192.0.2.255","method":"GET","path":"/api/v1/models?token=***&page=***","status":502,)"
      R"("code":"upstream_reset","route":"models","service":"training","endpoint":"127.0.0.1:7002",)"
      R"("user":"u-17","credential":"api_key","key_id":"k-1","policy":"allow","bytes_in":12,"bytes_out":18446744073709551615,"duration_ms":12.345,)"
      R"("queue_ms":5.001,"upstream_ms":12.001,"attempts":2,"end":"upstream_failed","reason":"connection reset by peer"})"
      "\n");
}

TEST(JsonLine, OfAnEmptyRecordHasNulls) {
  std::string line = line_of({});
  EXPECT_EQ(
      line,
      R"({"time":"1970-01-01T00:00:00.000Z","request_id":null,"trace_id":null,"client":"::","method":null,)"
      R"("path":null,"status":0,"code":null,"route":null,"service":null,"endpoint":null,"user":null,"credential":null,"key_id":null,"policy":null,"bytes_in":0,)"
      R"("bytes_out":0,"duration_ms":0.000,"queue_ms":null,"upstream_ms":null,"attempts":0,"end":"complete","reason":null})"
      "\n");
  simdjson::dom::parser parser;
  EXPECT_EQ(parser.parse(line).error(), simdjson::SUCCESS);
}

TEST(JsonLine, WritesTimesOfAllDays) {
  const std::pair<std::int64_t, std::string_view> cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                                                             {951'782'399'999, "2000-02-28T23:59:59.999Z"},
                                                             {951'782'400'000, "2000-02-29T00:00:00.000Z"},
                                                             {1'709'164'800'001, "2024-02-29T00:00:00.001Z"},
                                                             {1'735'689'599'999, "2024-12-31T23:59:59.999Z"},
                                                             {4'102'444'800'000, "2100-01-01T00:00:00.000Z"}};
  LineFormatter formatter;
  std::vector<char> out(kMaxLineBytes);
  for (const auto& [ms, expected] : cases) {
    RequestRecord record;
    record.time = WallTime(milliseconds(ms));
    char* end = formatter.format(out.data(), record);
    EXPECT_EQ(member_of({out.data(), end}, "time"), expected);
  }
  RequestRecord broken;
  broken.time = WallTime(seconds(-5));
  EXPECT_EQ(member_of(line_of(broken), "time"), "1970-01-01T00:00:00.000Z");
}

TEST(JsonLine, HidesQueryValues) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"a=1", "/p?a=***"},     {"a=1&b=2", "/p?a=***&b=***"},
      {"a", "/p?***"},         {"a=", "/p?a=***"},
      {"=x", "/p?=***"},       {"&&", "/p?&&"},
      {"a=1=2&", "/p?a=***&"}, {"secret&a=1", "/p?***&a=***"},
      {"a=\"\n", "/p?a=***"},  {"k\xFF=v", "/p?k\xEF\xBF\xBD=***"}};
  for (const auto& [query, expected] : cases) {
    RequestRecord record;
    record.path = "/p";
    record.query = query;
    EXPECT_EQ(member_of(line_of(record), "path"), expected);
  }
}

TEST(JsonLine, NeverShowsAValueHoweverLongTheQuery) {
  std::string query;
  while (query.size() < 8000) query += "name" + std::to_string(query.size()) + "=SECRET&";
  for (std::size_t path_bytes = 1; path_bytes < kMaxPathBytes + 8; ++path_bytes) {
    RequestRecord record;
    std::string path(path_bytes, 'p');
    record.path = path;
    record.query = query;
    std::string shown = member_of(line_of(record), "path");
    ASSERT_EQ(shown.find("SECRET"), std::string::npos);
    ASSERT_LE(shown.size(), kMaxPathBytes);
  }
}

TEST(JsonLine, StaysWithinItsBoundWhateverTheFieldsHold) {
  for (std::string_view fill : {"x", "\x01", "\"", "\xFF", "\xE2\x80\xA8", "\xF0\x9F\x98\x80", "&", "a=b&", "="}) {
    std::string text;
    while (text.size() < 10000) text += fill;
    RequestRecord record = full_record();
    for (std::string_view RequestRecord::* field :
         {&RequestRecord::request_id, &RequestRecord::trace_id, &RequestRecord::method, &RequestRecord::path,
          &RequestRecord::query, &RequestRecord::route, &RequestRecord::service, &RequestRecord::endpoint,
          &RequestRecord::user, &RequestRecord::reason}) {
      record.*field = text;
    }
    record.client = parse_ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").value();
    record.duration = nanoseconds::max();
    record.queue_duration = nanoseconds::max();
    record.upstream_duration = nanoseconds::max();
    record.time = WallTime::max();
    std::string line = line_of(record);  // beyond the buffer: a sanitizer's finding
    ASSERT_LE(line.size(), kMaxLineBytes);
    EXPECT_LE(member_of(line, "user").size(), kMaxFieldBytes);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
  }
}

TEST(JsonLine, EscapesEveryByteOfEveryField) {
  std::string all;
  for (int byte = 0; byte < 128; ++byte) all += static_cast<char>(byte);
  RequestRecord record;
  record.reason = std::string_view(all).substr(0, 40);
  record.user = std::string_view(all).substr(40);
  std::string line = line_of(record);
  EXPECT_EQ(member_of(line, "reason"), record.reason);
  EXPECT_EQ(member_of(line, "user"), record.user);
  for (char c : line.substr(0, line.size() - 1)) EXPECT_TRUE(c >= 0x20 && c < 0x7F);
}

TEST(JsonLine, WritesAddresses) {
  for (std::string_view text : {"0.0.0.0", "255.255.255.255", "10.0.0.1", "::1", "2001:db8::8:800:200c:417a"}) {
    RequestRecord record;
    record.client = parse_ip(text).value();
    EXPECT_EQ(member_of(line_of(record), "client"), text);
  }
}

TEST(Record, NamesMethodsExactly) {
  EXPECT_EQ(kMethodLabels[method_index("GET")], "GET");
  EXPECT_EQ(kMethodLabels[method_index("PATCH")], "PATCH");
  for (std::string_view other : {"get", "", "OTHER", "GETX", "PROPFIND"}) EXPECT_EQ(method_index(other), kOtherMethod);
}

}  // namespace
}  // namespace lotagate::telemetry
