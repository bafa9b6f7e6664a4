#include "limit/fields.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/decimal.h"

namespace lotagate::limit {
namespace {

// Appends to a span; once something did not fit, the result is empty.
class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}

  void text(std::string_view text) {
    if (!fits_ || text.size() > out_.size() - used_) {
      fits_ = false;
      return;
    }
    std::memcpy(out_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void number(std::uint64_t value) {
    char digits[kMaxDecimalBytes];
    text({digits, static_cast<std::size_t>(write_decimal(digits, value) - digits)});
  }
  std::string_view written() const { return fits_ ? std::string_view(out_.data(), used_) : std::string_view(); }

 private:
  std::span<char> out_;
  std::size_t used_ = 0;
  bool fits_ = true;
};

}  // namespace

std::uint64_t whole_seconds_up(nanoseconds duration) noexcept {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t ns = std::max<std::int64_t>(duration.count(), 0);
  return static_cast<std::uint64_t>(ns / kSecond + (ns % kSecond != 0));
}

// A string of RFC 9651 3.3.3: printable ASCII, quote and backslash escaped.
std::string quote_policy_name(std::string_view policy_name) {
  std::string quoted = "\"";
  for (char c : policy_name.substr(0, kMaxPolicyNameBytes)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c >= 0x20 && c < 0x7F ? c : '?';
  }
  return quoted + '"';
}

void write_ratelimit(http::HeadWriter& out, std::string_view quoted_name, const BucketDecision& decision) noexcept {
  out.text(quoted_name, ";r=");
  out.number(decision.remaining);
  out.text(";t=");
  out.number(whole_seconds_up(decision.allowed ? decision.reset : decision.retry_after));
}

std::string_view write_ratelimit_policy(std::span<char> out, std::string_view quoted_name,
                                        const BucketPolicy& policy) noexcept {
  Writer writer(out);
  writer.text(quoted_name);
  writer.text(";q=");
  writer.number(policy.burst);
  writer.text(";w=");
  writer.number(whole_seconds_up(nanoseconds(static_cast<std::int64_t>(policy.window_ns))));
  return writer.written();
}

std::string_view write_retry_after(std::span<char> out, nanoseconds retry_after) noexcept {
  Writer writer(out);
  writer.number(std::max<std::uint64_t>(whole_seconds_up(retry_after), 1));
  return writer.written();
}

}  // namespace lotagate::limit
