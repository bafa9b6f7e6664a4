// Any bytes as the start of a service's answer ("HEAD\n" before them: as the answer to a HEAD request). What is
// accepted holds the grammar, means the same when written anew, and is read alike by llhttp and by a reader written
// from the RFC; what that reader finds sound is accepted.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/test_rewrite.h"
#include "http/test_rfc_fields.h"
#include "http/test_rfc_head.h"
#include "http/test_second_opinion.h"

namespace lotagate::http {
namespace {

void check_rewrite(const ResponseHead& head, std::size_t bytes) {
  std::string written = write_head(head, 2 * bytes + 64);
  LG_CHECK(!written.empty(), "a rewritten head grew without bound");
  LG_CHECK(write_head(head, written.size()) == written, "a buffer that is just large enough");
  LG_CHECK(write_head(head, written.size() - 1).empty(), "a buffer that is one byte too small");
  ResponseHead again;
  HeadLimits unlimited{.head_bytes = SIZE_MAX, .fields = SIZE_MAX, .target_bytes = SIZE_MAX};
  LG_CHECK(parse_response_head(written, unlimited, again), "a rewritten head does not parse");
  LG_CHECK(again.status == head.status && again.reason == head.reason && again.minor == head.minor, "other start");
  LG_CHECK(same_fields(head.fields, again.fields), "other fields");
}

void check_second_opinion(std::string_view bytes, const ResponseHead& head) {
  auto framing = response_framing(head, /*to_head=*/false);
  if (!framing) return;
  SecondOpinion second(HTTP_RESPONSE, bytes);
  bool has_length = head.fields.count(FieldName::content_length) > 0;
  if (!second.has_head && has_length && bytes.find('\t') != bytes.npos) return;  // it takes no tab behind the digits
  LG_CHECK(second.has_head, "llhttp refuses an answer that would be forwarded");
  LG_CHECK(second.status == head.status && second.start_text == head.reason, "llhttp reads another status line");
  LG_CHECK(second.agrees_on(head.fields), "llhttp reads other fields");
  if (!framing->has_body()) return;
  LG_CHECK(second.chunked == (framing->kind == Framing::Kind::chunked), "llhttp frames another way");
  LG_CHECK(second.content_length == framing->length, "llhttp reads another length");
}

void check_against_rfc(std::string_view bytes, const ResponseHead* parsed, bool to_head) {
  auto head = rfc::read_response_head(bytes);
  HeadLimits limits;
  bool sound = head && bytes.size() <= limits.head_bytes && head->fields.size() <= limits.fields;
  LG_CHECK(parsed == nullptr || sound, "accepted against the grammar or the limits");
  if (!sound) return;
  int minor = head->start[0] == "HTTP/1.0" ? 0 : 1;
  LG_CHECK(parsed != nullptr, "a sound head is refused");
  LG_CHECK(std::to_string(parsed->status) == head->start[1] && parsed->reason == head->start[2], "other status line");
  LG_CHECK(parsed->minor == minor && rfc::same_fields(head->fields, parsed->fields), "other version or fields");
  auto framing = response_framing(*parsed, to_head);
  std::string expected = rfc::response_framing(head->fields, minor, parsed->status, to_head);
  LG_CHECK(framing.has_value() == (expected != "refused"), "framing refused by one");
  LG_CHECK(!framing || framing->has_body() == (expected != "none"), "a body that one does not see");
  LG_CHECK(keeps_alive(parsed->fields, minor) == rfc::keeps_alive(head->fields, minor), "kept alive by one");
}

void check(std::string_view bytes) {
  constexpr std::string_view kToHead = "HEAD\n";
  bool to_head = bytes.starts_with(kToHead);
  if (to_head) bytes.remove_prefix(kToHead.size());
  HeadScanner scanner;
  auto status = scanner.scan(bytes);
  rfc::HeadEnd end = rfc::find_head_end(bytes);
  LG_CHECK(status == end.status, "another end of the head");
  ResponseHead head;
  bool parsed = parse_response_head(bytes, HeadLimits{}, head).has_value();
  LG_CHECK(!parsed || (status == HeadScanner::Status::complete && end.bytes == bytes.size()),
           "parsed what is not exactly one head");
  if (status != HeadScanner::Status::complete) return;
  LG_CHECK(scanner.head_bytes() == end.bytes, "another length of the head");
  bytes = bytes.substr(0, end.bytes);
  parsed = parse_response_head(bytes, HeadLimits{}, head).has_value();
  LG_CHECK(!parsed || begins_like_response(bytes), "an answer that does not begin like one");
  check_against_rfc(bytes, parsed ? &head : nullptr, to_head);
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
