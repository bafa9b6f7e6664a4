// Any bytes as the start of a client connection. What is accepted holds the grammar, means the same when written anew,
// and is read alike by llhttp and by a reader written from the RFC; what that reader finds sound is accepted.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/check.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/method.h"
#include "http/target.h"
#include "http/test_rewrite.h"
#include "http/test_rfc_fields.h"
#include "http/test_rfc_head.h"
#include "http/test_second_opinion.h"

namespace lotagate::http {
namespace {

using Status = HeadScanner::Status;

// Where the head ends depends on the bytes alone, not on how they arrive.
std::size_t check_scanner(std::string_view bytes, Status& status) {
  HeadScanner whole, bytewise;
  status = whole.scan(bytes);
  Status other = bytes.empty() ? bytewise.scan(bytes) : Status::incomplete;
  for (std::size_t size = 1; size <= bytes.size() && other == Status::incomplete; ++size) {
    other = bytewise.scan(bytes.substr(0, size));
  }
  LG_CHECK(status == other, "the arrival of the bytes matters");
  rfc::HeadEnd end = rfc::find_head_end(bytes);
  LG_CHECK(end.status == status, "another end of the head");
  if (status != Status::complete) return 0;
  LG_CHECK(whole.head_bytes() == bytewise.head_bytes(), "the arrival of the bytes moves the end");
  LG_CHECK(whole.head_bytes() == end.bytes, "another length of the head");
  return end.bytes;
}

void check_rewrite(const RequestHead& head, std::size_t bytes) {
  std::string written = write_head(head, 2 * bytes + 64);
  LG_CHECK(!written.empty(), "a rewritten head grew without bound");
  LG_CHECK(write_head(head, written.size()) == written, "a buffer that is just large enough");
  LG_CHECK(write_head(head, written.size() - 1).empty(), "a buffer that is one byte too small");
  RequestHead again;
  HeadLimits unlimited{.head_bytes = SIZE_MAX, .fields = SIZE_MAX, .target_bytes = SIZE_MAX};
  LG_CHECK(parse_request_head(written, unlimited, again), "a rewritten head does not parse");
  LG_CHECK(again.method == head.method && again.target == head.target && again.minor == head.minor, "other start");
  LG_CHECK(same_fields(head.fields, again.fields), "other fields");
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

bool is_within_limits(std::string_view bytes, const rfc::Head& head) {
  HeadLimits limits;
  return bytes.size() <= limits.head_bytes && head.fields.size() <= limits.fields &&
         head.start[1].size() <= limits.target_bytes && is_supported_method(head.start[0]);
}

void check_against_rfc(std::string_view bytes, const RequestHead* parsed) {
  auto head = rfc::read_request_head(bytes);
  bool sound = head && is_within_limits(bytes, *head);
  LG_CHECK(parsed == nullptr || sound, "accepted against the grammar or the limits");
  if (!sound) return;
  int minor = head->start[2] == "HTTP/1.0" ? 0 : 1;
  LG_CHECK(parsed != nullptr, "a sound head is refused");
  LG_CHECK(parsed->method == head->start[0] && parsed->target == head->start[1], "another request line");
  LG_CHECK(parsed->minor == minor, "another version");
  LG_CHECK(rfc::same_fields(head->fields, parsed->fields), "other fields");
  auto framing = request_framing(*parsed);
  LG_CHECK(framing.has_value() == (rfc::request_framing(head->fields, minor).find_first_of("rm") == std::string::npos),
           "framing refused by one");
}

void check(std::string_view bytes) {
  std::string_view method, target;
  salvage_request_line(bytes, method, target);
  LG_CHECK(method.size() <= 32 && (method.empty() || is_token(method)), "salvaged a method that is none");
  (void)begins_like_request(bytes);
  bytes.remove_prefix(leading_blank_bytes(bytes));

  Status status;
  std::size_t head_bytes = check_scanner(bytes, status);
  RequestHead head;
  bool parsed = parse_request_head(bytes, HeadLimits{}, head).has_value();
  LG_CHECK(!parsed || (status == Status::complete && head_bytes == bytes.size()),
           "parsed what is not exactly one head");
  if (status != Status::complete) return;
  bytes = bytes.substr(0, head_bytes);
  parsed = parse_request_head(bytes, HeadLimits{}, head).has_value();
  LG_CHECK(!parsed || begins_like_request(bytes), "a request that does not begin like one");
  check_against_rfc(bytes, parsed ? &head : nullptr);
  if (!parsed) return;
  check_rewrite(head, bytes.size());
  check_second_opinion(bytes, head);
}

}  // namespace
}  // namespace lotagate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lotagate::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
