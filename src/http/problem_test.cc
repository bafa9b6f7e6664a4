#include "http/problem.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <string_view>

namespace lotagate::http {
namespace {

using namespace std::string_literals;

const ProblemContext kContext{.instance = "/api/v1/models", .request_id = "r-1", .service = "training"};

Error error(ErrorCode code, std::uint16_t status = 0, std::string_view detail = {}) {
  return {.code = code, .origin = Origin::downstream, .status = status, .reason = "secret reason", .detail = detail};
}

std::string written(const Error& e, const ProblemContext& context) {
  std::string out;
  write_problem(out, e, context);
  return out;
}

std::string completed(std::string_view body, const Error& e = error(ErrorCode::upstream_error, 409)) {
  std::string out = "before";
  if (!complete_problem(out, body, e, kContext)) return out == "before" ? "none" : "touched";
  return out.substr(6);
}

// The text of a member, "" if there is no such text; a document that is not valid JSON fails the test.
std::string member(const std::string& document, std::string_view name) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  EXPECT_EQ(parser.parse(document).get(root), simdjson::SUCCESS) << document;
  std::string_view text;
  return root[name].get_string().get(text) == simdjson::SUCCESS ? std::string(text) : "";
}

TEST(WriteProblem, HasTheDocumentedMembers) {
  EXPECT_EQ(written(error(ErrorCode::rate_limited), {.instance = "/a", .request_id = "r-1", .service = {}}),
            R"({"type":"urn:lotagate:error:rate_limited","title":"Too Many Requests","status":429,)"
            R"("detail":"Too many requests; try again later.","instance":"/a","code":"rate_limited",)"
            R"("request_id":"r-1","retryable":true})");
  EXPECT_EQ(written(error(ErrorCode::upstream_error, 418, "No coffee."),
                    {.instance = {}, .request_id = "r-1", .service = "pot"}),
            R"({"type":"urn:lotagate:error:upstream_error","title":"Unknown","status":418,"detail":"No coffee.",)"
            R"("code":"upstream_error","request_id":"r-1","retryable":false,"service":"pot"})");
}

TEST(WriteProblem, P13EveryCodeIsCompleteAndTellsNoInternals) {
  for (std::size_t i = 0; i < kErrorCodeCount; ++i) {
    Error e = error(static_cast<ErrorCode>(i));
    std::string document = written(e, kContext);
    EXPECT_EQ(member(document, "code"), error_info(e.code).name);
    EXPECT_EQ(member(document, "type"), "urn:lotagate:error:" + std::string(error_info(e.code).name));
    EXPECT_FALSE(member(document, "title").empty());
    EXPECT_FALSE(member(document, "detail").empty());
    EXPECT_EQ(document.find("secret"), std::string::npos);
  }
}

TEST(WriteProblem, TextFromOutsideCannotBreakTheDocument) {
  std::string hostile = "\"},{\"a\":\"\\\n\x1b\x7f\xff\xE2\x80\xA8"s + '\0';
  std::string document = written(error(ErrorCode::bad_request, 0, hostile),
                                 {.instance = hostile, .request_id = hostile, .service = hostile});
  for (std::string_view name : {"detail", "instance", "request_id", "service"}) {
    EXPECT_EQ(member(document, name), "\"},{\"a\":\"\\\n\x1b\x7f\xEF\xBF\xBD\xE2\x80\xA8"s + '\0') << name;
  }
  EXPECT_EQ(document.find('\n'), std::string::npos);
}

TEST(WriteProblem, RetryableFollowsABackendsStatus) {
  for (std::uint16_t status : std::initializer_list<std::uint16_t>{429, 503}) {
    EXPECT_NE(written(error(ErrorCode::upstream_error, status), kContext).find("\"retryable\":true"),
              std::string::npos);
  }
  for (std::uint16_t status : std::initializer_list<std::uint16_t>{400, 404, 500}) {
    EXPECT_NE(written(error(ErrorCode::upstream_error, status), kContext).find("\"retryable\":false"),
              std::string::npos);
  }
}

TEST(ExtractMessage, FirstTextInOrder) {
  struct Case {
    std::string_view body, expected;
  };
  for (const Case& c : std::initializer_list<Case>{
           {R"({"detail":"a"})", "a"},
           {R"({"message":"b","detail":"a"})", "a"},
           {R"({"error":{"message":"c"},"message":"b"})", "b"},
           {R"({"error":{"message":"c"}})", "c"},
           {R"({"error":"d"})", "d"},
           {R"({"detail":"","message":"b"})", "b"},
           {R"({"detail":7,"message":["x"],"error":"d"})", "d"},
           {R"( { "detail" : "\u00e4\n" } )", "\xC3\xA4\n"},
       }) {
    EXPECT_EQ(extract_message(c.body), c.expected) << c.body;
  }
}

TEST(ExtractMessage, NothingToSay) {
  for (std::string_view body : {"", " ", "{}", "[]", "\"text\"", "7", "null", "<html>", "{\"detail\":\"a\"",
                                "{\"detail\":\"a\"}x", "{\"detail\":\"\xff\"}", "{\"detail\":\"\\ud800\"}",
                                "{\"detail\":{\"a\":1}}", "{\"error\":{}}", "{\"error\":{\"message\":7}}",
                                "{\"error\":{\"message\":\"\"}}", "{\"Detail\":\"a\"}", "{\"detail\":\"a\nb\"}"}) {
    EXPECT_EQ(extract_message(body), std::nullopt) << body;
  }
  EXPECT_EQ(extract_message(std::string(5000, '[')), std::nullopt);
}

TEST(ExtractMessage, LongTextIsCutBetweenCharacters) {
  auto body = [](const std::string& text) { return "{\"detail\":\"" + text + "\"}"; };
  EXPECT_EQ(extract_message(body(std::string(1000, 'a')))->size(), 1000u);
  EXPECT_EQ(extract_message(body(std::string(1001, 'a')))->size(), 1000u);
  EXPECT_EQ(extract_message(body(std::string(999, 'a') + "\xC3\xA4"))->size(), 999u);
  EXPECT_EQ(extract_message(body(std::string(998, 'a') + "\xF0\x9F\x98\x80"))->size(), 998u);
}

TEST(CompleteProblem, KeepsTheBackendsAndAddsWhatLacks) {
  EXPECT_EQ(completed(R"({"type":"https://x/y","title":"Taken","status":200,"detail":"Name taken.","name":"bob",)"
                      R"("list":[1,{"a":null}],"code":"theirs","request_id":"theirs","retryable":true})"),
            R"({"type":"https://x/y","title":"Taken","status":409,"detail":"Name taken.","instance":"/api/v1/models",)"
            R"("code":"upstream_error","request_id":"r-1","retryable":false,"service":"training","name":"bob",)"
            R"("list":[1,{"a":null}]})");
  EXPECT_EQ(completed("{}"),
            R"({"type":"about:blank","title":"Conflict","status":409,"detail":"The service reported an error.",)"
            R"("instance":"/api/v1/models","code":"upstream_error","request_id":"r-1","retryable":false,)"
            R"("service":"training"})");
}

TEST(CompleteProblem, HostileBodiesStayValidJson) {
  std::string document = completed("{\"a\\\"b\":\"c\\u0000\\\"\",\"type\":\"\\\"x\",\"detail\":\"\\u2028\",\"n\":1e3}");
  EXPECT_EQ(member(document, "a\"b"), "c\0\""s);
  EXPECT_EQ(member(document, "type"), "\"x");
  EXPECT_EQ(member(document, "detail"), "\xE2\x80\xA8");
}

TEST(CompleteProblem, OtherBodiesAreNone) {
  for (std::string_view body : {"", "[]", "7", "\"a\"", "{\"a\":", "<html>", "{\"a\":\"\xff\"}", "{}{}"}) {
    EXPECT_EQ(completed(body), "none") << body;
  }
}

}  // namespace
}  // namespace lotagate::http
