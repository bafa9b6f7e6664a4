// Any bytes as the start of a service's answer. What is accepted must hold the grammar and be read alike by an
// independent parser.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/test_second_opinion.h"

namespace lotagate::http {
namespace {

void check_second_opinion(std::string_view bytes, const ResponseHead& head) {
  auto framing = response_framing(head, /*to_head=*/false);
  if (!framing) return;
  SecondOpinion second(HTTP_RESPONSE, bytes);
  LG_CHECK(second.has_head, "llhttp refuses an answer that would be forwarded");
  LG_CHECK(second.status == head.status && second.start_text == head.reason, "llhttp reads another status line");
  LG_CHECK(second.agrees_on(head.fields), "llhttp reads other fields");
  if (!framing->has_body()) return;
  LG_CHECK(second.chunked == (framing->kind == Framing::Kind::chunked), "llhttp frames another way");
  LG_CHECK(second.content_length == framing->length, "llhttp reads another length");
}

void check(std::string_view bytes) {
  HeadScanner scanner;
  auto status = scanner.scan(bytes);
  ResponseHead head;
  bool parsed = parse_response_head(bytes, HeadLimits{}, head).has_value();
  LG_CHECK(!parsed || (status == HeadScanner::Status::complete && scanner.head_bytes() == bytes.size()),
           "parsed what is not exactly one head");
  if (status != HeadScanner::Status::complete) return;
  std::string_view head_bytes = bytes.substr(0, scanner.head_bytes());
  if (!parse_response_head(head_bytes, HeadLimits{}, head)) return;
  LG_CHECK(head.status >= 100 && head.status <= 599, "status out of range");
  LG_CHECK(is_field_value(head.reason), "unsound reason phrase");
  for (const Field& field : head.fields.items) {
    LG_CHECK(is_token(field.name) && is_field_value(field.value), "unsound field");
    LG_CHECK(field.id == classify_field(field.name), "other classification");
  }
  LG_CHECK(!response_framing(head, /*to_head=*/true) || !response_framing(head, true)->has_body(), "HEAD with a body");
  keeps_alive(head.fields, head.minor);
  check_second_opinion(head_bytes, head);
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
