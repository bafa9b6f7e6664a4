// Any bytes in any field: the line stays within its bound, is one JSON object whose members say what the record holds,
// and does not depend on any value of the query. Input: ten lines (path, query, request id, trace id, method, route,
// service, endpoint, user, reason), then the bytes of the numbers and choices, then the key's id.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/check.h"
#include "telemetry/json_line.h"
#include "telemetry/test_json_text.h"

namespace lotagate::telemetry {
namespace {

// Hands out the fuzzer's input: lines, then numbers.
class Pieces {
 public:
  explicit Pieces(std::string_view input) : rest_(input) {}

  std::string_view line() {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    return line;
  }
  template <typename Number>
  Number number() {
    Number value{};
    if (rest_.size() < sizeof value) return value;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }

 private:
  std::string_view rest_;
};

RequestRecord record_of(Pieces& pieces) {
  RequestRecord record;
  record.path = pieces.line();
  record.query = pieces.line();
  record.request_id = pieces.line();
  record.trace_id = pieces.line();
  record.method = pieces.line();
  record.route = pieces.line();
  record.service = pieces.line();
  record.endpoint = pieces.line();
  record.user = pieces.line();
  record.reason = pieces.line();
  const auto code = pieces.number<std::uint8_t>();
  if (code < kErrorCodeCount) record.code = static_cast<ErrorCode>(code);
  record.end = static_cast<RequestEnd>(pieces.number<std::uint8_t>() % kRequestEndCount);
  record.attempts = pieces.number<std::uint8_t>();
  record.status = pieces.number<std::uint16_t>();
  record.client.bytes = pieces.number<std::array<std::uint8_t, 16>>();
  record.time = WallTime(nanoseconds(pieces.number<std::int64_t>()));
  record.duration = nanoseconds(pieces.number<std::int64_t>());
  record.upstream_duration = nanoseconds(pieces.number<std::int64_t>());
  record.bytes_in = pieces.number<std::uint64_t>();
  record.bytes_out = ~record.bytes_in;
  constexpr std::array<std::string_view, 3> kCredentials{"", "token", "api_key"};
  record.credential = kCredentials[pieces.number<std::uint8_t>() % kCredentials.size()];
  record.policy = static_cast<PolicyOutcome>(pieces.number<std::uint8_t>() % kPolicyOutcomeCount);
  record.key_id = pieces.line();
  const auto queue_duration = pieces.number<std::int64_t>();
  if (queue_duration != 0) record.queue_duration = nanoseconds(queue_duration);
  return record;
}

using Line = simdjson::dom::object;

// What a text member is to be: the input, or its start with the mark of a cut if it may be too long for `cap`.
void check_text(const Line& line, const char* name, std::string_view input, std::size_t cap) {
  std::string_view text;
  if (input.empty()) {
    LG_CHECK(line[name].is_null(), "an empty text is not null");
    return;
  }
  LG_CHECK(line[name].get_string().get(text) == simdjson::SUCCESS, "a text is no text");
  const std::string expected = with_replacements(input);
  if (text == expected) return;
  LG_CHECK(text.ends_with("...") && expected.size() * 6 > cap, "cut though it fits");
  LG_CHECK(expected.starts_with(text.substr(0, text.size() - 3)), "another text");
}

// The query as it may be shown: names and nothing else.
std::string shown_query(std::string_view query) {
  std::string out;
  for (char separator = '?';; separator = '&') {
    const std::string_view part = query.substr(0, query.find('&'));
    const std::size_t equals = part.find('=');
    out += separator;
    if (equals != std::string_view::npos) out.append(part.substr(0, equals)) += '=';
    if (!part.empty()) out += "***";
    if (part.size() == query.size()) return out;
    query.remove_prefix(part.size() + 1);
  }
}

void check_target(const Line& line, const RequestRecord& record) {
  if (record.query.empty()) return check_text(line, "path", record.path, kMaxPathBytes);
  const std::string shown = std::string(record.path) + shown_query(record.query);
  const bool fits = shown.size() * 6 + 64 < kMaxPathBytes;
  if (fits) return check_text(line, "path", shown, kMaxPathBytes);
  std::string_view text;
  LG_CHECK(line["path"].get_string().get(text) == simdjson::SUCCESS, "a path is a text");
}

void check_number(const Line& line, const char* name, std::uint64_t expected) {
  std::uint64_t number = 0;
  LG_CHECK(line[name].get_uint64().get(number) == simdjson::SUCCESS && number == expected, "another number");
}

void check_duration(const Line& line, const char* name, nanoseconds duration) {
  double shown = -1;
  LG_CHECK(line[name].get_double().get(shown) == simdjson::SUCCESS, "a duration is a number");
  const double expected = static_cast<double>(std::max<std::int64_t>(duration.count(), 0) / 1000) / 1000;
  LG_CHECK(std::abs(shown - expected) <= expected * 1e-15, "another duration");
}

void check_members(const Line& line, const RequestRecord& record) {
  check_text(line, "request_id", record.request_id, kMaxFieldBytes);
  check_text(line, "trace_id", record.trace_id, kMaxFieldBytes);
  check_text(line, "method", record.method, kMaxFieldBytes);
  check_text(line, "route", record.route, kMaxFieldBytes);
  check_text(line, "service", record.service, kMaxFieldBytes);
  check_text(line, "endpoint", record.endpoint, kMaxFieldBytes);
  check_text(line, "user", record.user, kMaxFieldBytes);
  check_text(line, "reason", record.reason, kMaxFieldBytes);
  check_text(line, "credential", record.credential, kMaxFieldBytes);
  check_text(line, "key_id", record.key_id, kMaxFieldBytes);
  check_text(line, "policy", policy_outcome_name(record.policy), kMaxFieldBytes);
  check_text(line, "end", request_end_name(record.end), kMaxFieldBytes);
  check_text(line, "code", record.code ? error_info(*record.code).name : "", kMaxFieldBytes);
  check_text(line, "client", to_string(record.client), kMaxFieldBytes);
  check_target(line, record);
  check_number(line, "status", record.status);
  check_number(line, "attempts", record.attempts);
  check_number(line, "bytes_in", record.bytes_in);
  check_number(line, "bytes_out", record.bytes_out);
  check_duration(line, "duration_ms", record.duration);
  if (record.attempts > 0) check_duration(line, "upstream_ms", record.upstream_duration);
  if (record.queue_duration) check_duration(line, "queue_ms", *record.queue_duration);
  LG_CHECK(record.queue_duration || line["queue_ms"].is_null(), "a wait that was none");
}

std::string format(const RequestRecord& record) {
  std::vector<char> out(kMaxLineBytes);
  LineFormatter formatter;
  char* end = formatter.format(out.data(), record);
  return {out.data(), end};
}

void check_line(const std::string& line, const RequestRecord& record) {
  LG_CHECK(line.size() <= kMaxLineBytes, "a line has a bound");
  LG_CHECK(line.find('\n') == line.size() - 1, "a record is one line");
  check_json_bytes(std::string_view(line).substr(0, line.size() - 1));
  simdjson::dom::parser parser;
  Line object;
  LG_CHECK(parser.parse(line.data(), line.size()).get(object) == simdjson::SUCCESS, "a line is a JSON object");
  LG_CHECK(object.size() == 23, "a line always has the same members");
  check_members(object, record);
}

// The query with other values of the same lengths; a part without '=' is all value.
std::string other_values(std::string_view query) {
  std::string out;
  bool in_value = query.substr(0, query.find('&')).find('=') == std::string_view::npos;
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (query[i] == '&') {
      const std::string_view part = query.substr(i + 1, query.substr(i + 1).find('&'));
      in_value = part.find('=') == std::string_view::npos;
    }
    out += in_value && query[i] != '&' ? 'x' : query[i];
    if (query[i] == '=') in_value = true;
  }
  return out;
}

}  // namespace
}  // namespace lotagate::telemetry

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::telemetry;
  Pieces pieces({reinterpret_cast<const char*>(data), size});
  RequestRecord record = record_of(pieces);
  const std::string line = format(record);
  check_line(line, record);
  const std::string query = other_values(record.query);
  record.query = query;
  LG_CHECK(format(record) == line, "a value of the query shows");
  return 0;
}
