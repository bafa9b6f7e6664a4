// Any bytes as text of a log line, at any cap: valid JSON of printable bytes within the cap, which says what came in,
// and what the other escaper (base/text.h) writes. The first two bytes choose the cap.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "telemetry/json_escape.h"
#include "telemetry/test_json_text.h"

namespace lotagate::telemetry {
namespace {

// A buffer of exactly `cap` bytes: AddressSanitizer finds one byte too many.
std::string escape(std::string_view text, std::size_t cap) {
  std::vector<char> out(cap);
  char* end = write_json_escaped(out.data(), text, cap);
  LG_CHECK(end >= out.data() && end <= out.data() + cap, "more than the cap");
  return {out.data(), end};
}

void check(std::string_view text, std::size_t cap) {
  std::string whole;
  append_json_escaped(whole, text);
  check_json_bytes(whole);
  const std::string meaning = unescape(whole);
  LG_CHECK(meaning == with_replacements(text), "the text says something else");
  LG_CHECK(escape(text, whole.size() + kMinEscapedBytes) == whole, "two escapers differ");
  if (whole.size() >= kMinEscapedBytes) LG_CHECK(escape(text, whole.size()) == whole, "cut though it fits");

  const std::string capped = escape(text, cap);
  check_json_bytes(capped);
  if (whole.size() <= cap) {
    LG_CHECK(capped == whole, "cut though it fits");
    return;
  }
  LG_CHECK(capped.ends_with("...") && capped.size() + 12 > cap, "not cut, or too early");
  const std::string kept = unescape(capped.substr(0, capped.size() - 3));
  LG_CHECK(meaning.starts_with(kept), "cut inside a character or an escape");
}

}  // namespace
}  // namespace lotagate::telemetry

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::telemetry;
  if (size < 2) return 0;
  const std::size_t cap = kMinEscapedBytes + data[0] + (data[1] & 1u) * 256;
  check({reinterpret_cast<const char*>(data + 2), size - 2}, cap);
  return 0;
}
