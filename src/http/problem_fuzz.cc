// Any bytes as a backend's error body and as text in an error: what is written is valid JSON and keeps its own members.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
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

void check(std::string_view bytes) {
  ProblemContext context{.instance = bytes, .request_id = bytes, .service = "s"};
  Error error{.code = ErrorCode::upstream_error, .origin = Origin::upstream, .status = 422, .detail = bytes};
  std::string written;
  write_problem(written, error, context);
  check_document(written, error);

  auto message = extract_message(bytes);
  LG_CHECK(!message || (!message->empty() && message->size() <= 1000), "message out of bounds");
  std::string completed;
  if (!complete_problem(completed, bytes, error, context)) {
    LG_CHECK(completed.empty(), "touched though it is no problem document");
    return;
  }
  check_document(completed, error);
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
