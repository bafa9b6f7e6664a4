// Any bytes as the start of a client connection. What is accepted must hold the grammar, mean the same when written
// anew, and be read alike by an independent parser.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/check.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"
#include "http/test_second_opinion.h"
#include "http/writer.h"

namespace lotagate::http {
namespace {

HeadScanner::Status scan_bytewise(std::string_view bytes, HeadScanner& scanner) {
  auto status = HeadScanner::Status::incomplete;
  for (std::size_t size = 1; size <= bytes.size() && status == HeadScanner::Status::incomplete; ++size) {
    status = scanner.scan(bytes.substr(0, size));
  }
  return status;
}

void check_rewrite(const RequestHead& head, std::size_t bytes) {
  std::vector<char> out(2 * bytes + 64);
  HeadWriter writer(out.data(), out.size());
  writer.text(head.method);
  writer.text(" ");
  writer.text(head.target);
  writer.text(head.minor == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  for (const Field& field : head.fields.items) writer.field(field.name, field.value);
  writer.end_of_head();
  LG_CHECK(!writer.overflowed(), "a rewritten head grew without bound");
  RequestHead again;
  HeadLimits unlimited{.head_bytes = SIZE_MAX, .fields = SIZE_MAX, .target_bytes = SIZE_MAX};
  LG_CHECK(parse_request_head(writer.view(), unlimited, again), "a rewritten head does not parse");
  LG_CHECK(again.method == head.method && again.target == head.target && again.minor == head.minor, "other start");
  LG_CHECK(again.fields.items.size() == head.fields.items.size(), "other fields");
  for (std::size_t i = 0; i < head.fields.items.size(); ++i) {
    const Field &a = head.fields.items[i], &b = again.fields.items[i];
    LG_CHECK(a.name == b.name && a.value == b.value && a.id == b.id, "other field");
    LG_CHECK(is_token(a.name) && is_field_value(a.value) && trim(a.value) == a.value, "unsound field");
  }
}

// Only for requests that would be forwarded: llhttp looks at targets and lengths while it reads the head.
void check_second_opinion(std::string_view bytes, const RequestHead& head) {
  Arena arena;
  auto framing = request_framing(head);
  if (!framing || !resolve_target(head, arena)) return;
  SecondOpinion second(HTTP_REQUEST, bytes);
  bool has_length = framing->kind == Framing::Kind::length;
  if (!second.has_head && has_length && bytes.find('\t') != bytes.npos) return;  // it takes no tab behind the digits
  LG_CHECK(second.has_head, "llhttp refuses a head that would be forwarded");
  LG_CHECK(second.method == head.method && second.start_text == head.target, "llhttp reads another request line");
  LG_CHECK(second.agrees_on(head.fields), "llhttp reads other fields");
  LG_CHECK(second.chunked == (framing->kind == Framing::Kind::chunked), "llhttp frames another way");
  LG_CHECK(second.content_length == framing->length, "llhttp reads another length");
}

void check(std::string_view bytes) {
  std::string_view method, target;
  salvage_request_line(bytes, method, target);
  bytes.remove_prefix(leading_blank_bytes(bytes));

  HeadScanner whole, bytewise;
  auto status = whole.scan(bytes);
  LG_CHECK(status == scan_bytewise(bytes, bytewise), "the arrival of the bytes matters");
  LG_CHECK(whole.head_bytes() == bytewise.head_bytes(), "the arrival of the bytes moves the end");

  RequestHead head;
  bool parsed = parse_request_head(bytes, HeadLimits{}, head).has_value();
  LG_CHECK(!parsed || (status == HeadScanner::Status::complete && whole.head_bytes() == bytes.size()),
           "parsed what is not exactly one head");
  if (status != HeadScanner::Status::complete) return;
  std::string_view head_bytes = bytes.substr(0, whole.head_bytes());
  if (!parse_request_head(head_bytes, HeadLimits{}, head)) return;
  check_rewrite(head, head_bytes.size());
  check_second_opinion(head_bytes, head);
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
