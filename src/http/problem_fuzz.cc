// Any bytes as a backend's error body and as text in an error: what is written is valid JSON on one line, keeps
// the gateway's members and the backend's, and completed twice is the same.
#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/problem.h"

namespace lotagate::http {
namespace {

// Members the gateway answers for, whatever the body says.
void check_document(const std::string& document, const Error& error) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  LG_CHECK(parser.parse(document).get_object().get(object) == simdjson::SUCCESS, "not a JSON object");
  std::uint64_t status = 0;
  LG_CHECK(object["status"].get_uint64().get(status) == simdjson::SUCCESS && status == error_status(error), "status");
  std::string_view code;
  LG_CHECK(object["code"].get_string().get(code) == simdjson::SUCCESS && code == error_info(error.code).name, "code");
  for (std::string_view name : {"type", "title", "detail", "request_id"}) {
    std::string_view text;
    LG_CHECK(object[name].get_string().get(text) == simdjson::SUCCESS, "a member is missing");
  }
  std::size_t codes = 0;
  for (auto member : object) codes += member.key == "code" || member.key == "status";
  LG_CHECK(codes == 2, "the backend's own code or status came through");
}

using Object = simdjson::dom::object;

// Nothing that a line-based reader would act on.
void check_bytes(const std::string& document) {
  LG_CHECK(simdjson::validate_utf8(document), "not UTF-8");
  for (unsigned char c : document) LG_CHECK(c >= 0x20, "a control character");
}

std::optional<std::string_view> text_of(const Object& object, std::string_view name) {
  std::string_view text;
  if (object[name].get_string().get(text) != simdjson::SUCCESS || text.empty()) return std::nullopt;
  return text;
}

// `detail`, `message`, then `error`, as an object with a `message` or as text (problem.h).
std::optional<std::string_view> expected_message(const Object& object) {
  if (auto text = text_of(object, "detail")) return text;
  if (auto text = text_of(object, "message")) return text;
  Object nested;
  if (object["error"].get_object().get(nested) == simdjson::SUCCESS) return text_of(nested, "message");
  return text_of(object, "error");
}

// `shown` is `text` or its longest start of at most 1,000 bytes that ends between characters.
void check_shortened(std::string_view shown, std::string_view text) {
  LG_CHECK(text.starts_with(shown) && simdjson::validate_utf8(shown.data(), shown.size()), "cut inside a character");
  LG_CHECK(shown.size() <= 1000 && (shown.size() == text.size() || shown.size() >= 997), "cut too early or too late");
}

void check_message(std::string_view body, const Object* object) {
  auto message = extract_message(body);
  auto expected = object != nullptr ? expected_message(*object) : std::nullopt;
  LG_CHECK(message.has_value() == expected.has_value(), "a message out of nothing, or none");
  if (message) check_shortened(*message, *expected);
}

bool is_common_member(std::string_view name) {
  constexpr std::string_view kNames[] = {"type", "title",      "status",    "detail", "instance",
                                         "code", "request_id", "retryable", "service"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Names and values of the members that only the backend gives a meaning to, in their order.
std::string extensions(const Object& object) {
  std::string out;
  for (auto member : object) {
    if (!is_common_member(member.key)) out.append(member.key).append("=").append(simdjson::minify(member.value)) += ';';
  }
  return out;
}

void check_completed(std::string_view body, const Object& object, const Error& error, const ProblemContext& context) {
  std::string completed = "before";
  LG_CHECK(complete_problem(completed, body, error, context) && completed.starts_with("before"), "an object refused");
  completed.erase(0, 6);
  check_document(completed, error);
  check_bytes(completed);
  simdjson::dom::parser parser;
  Object own = parser.parse(completed).get_object();
  LG_CHECK(extensions(own) == extensions(object), "the backend's own members are others");
  std::string_view type;
  bool typed = object["type"].get_string().get(type) == simdjson::SUCCESS;
  LG_CHECK(std::string_view(own["type"]) == (typed ? type : "about:blank"), "another type");
  if (auto detail = text_of(object, "detail")) check_shortened(own["detail"], *detail);
  if (auto title = text_of(object, "title")) check_shortened(own["title"], *title);
  std::string again;
  LG_CHECK(complete_problem(again, completed, error, context) && again == completed, "completed twice is another");
}

void check(std::string_view bytes) {
  ProblemContext context{.instance = bytes, .request_id = bytes, .service = "s"};
  Error error{.code = ErrorCode::upstream_error, .origin = Origin::upstream, .status = 422, .detail = bytes};
  std::string written;
  write_problem(written, error, context);
  check_document(written, error);
  check_bytes(written);

  simdjson::dom::parser parser;
  Object object;
  bool is_object = parser.parse(bytes.data(), bytes.size()).get_object().get(object) == simdjson::SUCCESS;
  check_message(bytes, is_object ? &object : nullptr);
  if (is_object) return check_completed(bytes, object, error, context);
  std::string completed;
  LG_CHECK(!complete_problem(completed, bytes, error, context) && completed.empty(), "touched though it is no object");
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
