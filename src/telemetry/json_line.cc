#include "telemetry/json_line.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/address.h"
#include "base/decimal.h"
#include "base/error.h"
#include "telemetry/json_escape.h"

namespace lotagate::telemetry {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

template <std::size_t N>
char* literal(char* out, const char (&text)[N]) noexcept {
  std::memcpy(out, text, N - 1);
  return out + N - 1;
}

char* null_or_text(char* out, std::string_view text, std::size_t cap = kMaxFieldBytes) noexcept {
  if (text.empty()) return literal(out, "null");
  *out++ = '"';
  out = write_json_escaped(out, text, cap);
  *out++ = '"';
  return out;
}

// A name of our own: it needs no escaping.
char* name(char* out, std::string_view text) noexcept {
  *out++ = '"';
  std::memcpy(out, text.data(), text.size());
  out += text.size();
  *out++ = '"';
  return out;
}

// `digits` decimal digits, with leading zeros.
char* padded(char* out, std::uint64_t value, std::size_t digits) noexcept {
  char* const end = out + digits;
  for (char* at = end; at > out; value /= 10) *--at = static_cast<char>('0' + value % 10);
  return end;
}

char* milliseconds_text(char* out, nanoseconds duration) noexcept {
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)) / 1000;
  out = write_decimal(out, micros / 1000);
  *out++ = '.';
  return padded(out, micros % 1000, 3);
}

// inet_ntop formats IPv4 through snprintf, which costs as much as half a line.
char* address(char* out, const IpAddress& ip) noexcept {
  *out++ = '"';
  if (ip.is_v4()) {
    for (std::size_t i = 12; i < 16; ++i) {
      out = write_decimal(out, ip.bytes[i]);
      *out++ = '.';
    }
    --out;
  } else {
    out += format_ip(ip, out).size();
  }
  *out++ = '"';
  return out;
}

// Appends the query with every value hidden. A part without '=' may be a secret itself and is hidden whole. Stops, with
// the mark of a cut, where the next part might not fit before `end`.
char* redacted_query(char* out, char* end, std::string_view query) noexcept {
  constexpr std::size_t kHidden = 7;  // "=***" and the mark of a cut
  constexpr std::size_t kShortestPart = 1 + kMinEscapedBytes + kHidden;
  char separator = '?';
  while (true) {
    if (end - out < static_cast<std::ptrdiff_t>(kShortestPart)) return end - out >= 3 ? literal(out, "...") : out;
    *out++ = separator;
    separator = '&';
    const std::string_view part = query.substr(0, query.find('&'));
    const std::size_t equals = part.find('=');
    if (equals != std::string_view::npos) {
      const auto room = static_cast<std::size_t>(end - out) - kHidden;
      out = write_json_escaped(out, part.substr(0, equals), room);
      *out++ = '=';
    }
    if (!part.empty()) out = literal(out, "***");
    if (part.size() == query.size()) return out;
    query.remove_prefix(part.size() + 1);
  }
}

// Path and redacted query as one text of at most kMaxPathBytes.
char* target(char* out, std::string_view path, std::string_view query) noexcept {
  if (path.empty() && query.empty()) return literal(out, "null");
  *out++ = '"';
  char* const end = out + kMaxPathBytes;
  out = write_json_escaped(out, path, kMaxPathBytes);
  if (!query.empty()) out = redacted_query(out, end, query);
  *out++ = '"';
  return out;
}

}  // namespace

char* LineFormatter::write_time(char* out, WallTime time) noexcept {
  // Before 1970 a clock is broken; 64 bits of nanoseconds end in 2262, so that the year has four digits.
  const std::int64_t ns = std::max<std::int64_t>(time.time_since_epoch().count(), 0);
  const std::int64_t second = ns / kNanosPerSecond;
  if (second != second_) {
    second_ = second;
    const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds(seconds(second)));
    const std::chrono::year_month_day date(day);
    const auto of_day = static_cast<std::uint64_t>(second - seconds(day.time_since_epoch()).count());
    char* at = padded(second_text_.data(), static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
    *at++ = '-';
    at = padded(at, static_cast<unsigned>(date.month()), 2);
    *at++ = '-';
    at = padded(at, static_cast<unsigned>(date.day()), 2);
    *at++ = 'T';
    at = padded(at, of_day / 3600, 2);
    *at++ = ':';
    at = padded(at, of_day / 60 % 60, 2);
    *at++ = ':';
    padded(at, of_day % 60, 2);
  }
  std::memcpy(out, second_text_.data(), second_text_.size());
  out += second_text_.size();
  *out++ = '.';
  out = padded(out, static_cast<std::uint64_t>(ns % kNanosPerSecond) / 1'000'000, 3);
  *out++ = 'Z';
  return out;
}

char* LineFormatter::format(char* out, const RequestRecord& record) noexcept {
  out = literal(out, R"({"time":")");
  out = write_time(out, record.time);
  out = literal(out, R"(","request_id":)");
  out = null_or_text(out, record.request_id);
  out = literal(out, R"(,"trace_id":)");
  out = null_or_text(out, record.trace_id);
  out = literal(out, R"(,"client":)");
  out = address(out, record.client);
  out = literal(out, R"(,"method":)");
  out = null_or_text(out, record.method);
  out = literal(out, R"(,"path":)");
  out = target(out, record.path, record.query);
  out = literal(out, R"(,"status":)");
  out = write_decimal(out, record.status);
  out = literal(out, R"(,"code":)");
  out = record.code ? name(out, error_info(*record.code).name) : literal(out, "null");
  out = literal(out, R"(,"route":)");
  out = null_or_text(out, record.route);
  out = literal(out, R"(,"service":)");
  out = null_or_text(out, record.service);
  out = literal(out, R"(,"endpoint":)");
  out = null_or_text(out, record.endpoint);
  out = literal(out, R"(,"user":)");
  out = null_or_text(out, record.user);
  out = literal(out, R"(,"credential":)");
  out = record.credential.empty() ? literal(out, "null") : name(out, record.credential);
  out = literal(out, R"(,"key_id":)");
  out = null_or_text(out, record.key_id);
  out = literal(out, R"(,"policy":)");
  out = record.policy == PolicyOutcome::none ? literal(out, "null") : name(out, policy_outcome_name(record.policy));
  out = literal(out, R"(,"bytes_in":)");
  out = write_decimal(out, record.bytes_in);
  out = literal(out, R"(,"bytes_out":)");
  out = write_decimal(out, record.bytes_out);
  out = literal(out, R"(,"duration_ms":)");
  out = milliseconds_text(out, record.duration);
  out = literal(out, R"(,"queue_ms":)");
  out = record.queue_duration ? milliseconds_text(out, *record.queue_duration) : literal(out, "null");
  out = literal(out, R"(,"upstream_ms":)");
  out = record.attempts > 0 ? milliseconds_text(out, record.upstream_duration) : literal(out, "null");
  out = literal(out, R"(,"attempts":)");
  out = write_decimal(out, record.attempts);
  out = literal(out, R"(,"end":)");
  out = name(out, request_end_name(record.end));
  out = literal(out, R"(,"reason":)");
  out = null_or_text(out, record.reason);
  return literal(out, "}\n");
}

}  // namespace lotagate::telemetry
