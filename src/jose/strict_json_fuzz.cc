// Any text taken for JSON: refused, or the value that a second reader (test_rfc_json.h) finds in it.
#include <simdjson.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "jose/strict_json.h"
#include "jose/test_rfc_json.h"

namespace lotagate::jose {
namespace {

namespace dom = simdjson::dom;

bool same(const JsonValue& expected, dom::element got);

// A number is a whole one of 64 bits if it is spelled like one, and the nearest double otherwise.
bool same_number(const std::string& spelled, dom::element got) {
  if (spelled.find_first_of(".eE") != std::string::npos) {
    double number = 0;
    return got.is_double() && got.get(number) == simdjson::SUCCESS &&
           std::bit_cast<std::uint64_t>(number) == std::bit_cast<std::uint64_t>(std::strtod(spelled.c_str(), nullptr));
  }
  if (spelled.front() == '-') {
    std::int64_t number = 0;
    return got.get(number) == simdjson::SUCCESS && number == std::strtoll(spelled.c_str(), nullptr, 10);
  }
  std::uint64_t number = 0;
  return got.get(number) == simdjson::SUCCESS && number == std::strtoull(spelled.c_str(), nullptr, 10);
}

bool same_members(const JsonValue& expected, dom::element got) {
  dom::object object;
  if (got.get(object) != simdjson::SUCCESS || object.size() != expected.items.size()) return false;
  std::size_t i = 0;
  for (dom::key_value_pair member : object) {
    if (member.key != expected.names[i] || !same(expected.items[i], member.value)) return false;
    ++i;
  }
  return true;
}

bool same_items(const JsonValue& expected, dom::element got) {
  dom::array array;
  if (got.get(array) != simdjson::SUCCESS || array.size() != expected.items.size()) return false;
  auto item = expected.items.begin();
  for (dom::element element : array) {
    if (!same(*item++, element)) return false;
  }
  return true;
}

bool same(const JsonValue& expected, dom::element got) {
  std::string_view text;
  bool flag = false;
  switch (expected.kind) {
    case JsonValue::Kind::null: return got.is_null();
    case JsonValue::Kind::boolean: return got.get(flag) == simdjson::SUCCESS && flag == (expected.text == "true");
    case JsonValue::Kind::number: return same_number(expected.text, got);
    case JsonValue::Kind::string: return got.get(text) == simdjson::SUCCESS && text == expected.text;
    case JsonValue::Kind::array: return same_items(expected, got);
    case JsonValue::Kind::object: return same_members(expected, got);
  }
  return false;
}

void check(std::string_view text, JsonLimits limits) {
  auto expected = text.size() <= limits.max_bytes ? read_json_slowly(text, limits.max_depth) : std::nullopt;
  dom::parser parser;
  dom::element document;
  auto refusal = parse_strict_json(parser, text, limits, document);
  LG_CHECK(refusal.empty() || refusal.starts_with("json_"), "a refusal without a reason");
  LG_CHECK(expected || !refusal.empty(), "a text that has no reading, or two, is taken");
  LG_CHECK(!expected || refusal.empty(), "sound JSON is refused");
  if (!expected) return;
  LG_CHECK(same(*expected, document), "two readings of one text");
  dom::parser second_parser;
  dom::element second;
  auto again = simdjson::minify(document);
  LG_CHECK(parse_strict_json(second_parser, again, {.max_bytes = 2 * limits.max_bytes + 64}, second).empty(),
           "what was taken is refused when written anew");
}

}  // namespace
}  // namespace lotagate::jose

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using lotagate::jose::check;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, {.max_bytes = 8192});
  check(text, {.max_bytes = 8192, .max_depth = 2});
  check(text, {.max_bytes = 20});
  return 0;
}
