// The one error value of the product and the one table that says what each code means to a client.
#pragma once

#include <cstdint>
#include <string_view>

namespace lotagate {

// Stable, documented names (docs/error-handling.md); the order is the order of that page.
enum class ErrorCode : std::uint8_t {
  bad_request,
  ambiguous_path,
  missing_token,
  invalid_token,
  expired_token,
  forbidden,
  route_not_found,
  method_not_allowed,
  request_timeout,
  body_too_large,
  uri_too_long,
  expectation_failed,
  headers_too_large,
  rate_limited,
  concurrency_limited,
  not_implemented,
  version_not_supported,
  loop_detected,
  keys_unavailable,
  authorization_unavailable,
  limits_unavailable,
  upstream_unreachable,
  upstream_reset,
  upstream_timeout,
  upstream_invalid,
  upstream_error,
  overloaded,
  draining,
  internal,
  client_closed,  // never sent: the client left; status 499 in the log
};
inline constexpr std::size_t kErrorCodeCount = static_cast<std::size_t>(ErrorCode::client_closed) + 1;

// Whose fault it is: decides logging and whether the downstream connection can go on.
enum class Origin : std::uint8_t { downstream, upstream, internal };

// Trivially copyable; both texts are static or live in the exchange's arena.
struct Error {
  ErrorCode code = ErrorCode::internal;
  Origin origin = Origin::internal;
  bool retry_safe = false;       // the request provably was not processed, or no byte of an answer came
  std::uint16_t status = 0;      // 0: the table's; set only for upstream_error, which keeps the backend's status
  std::string_view reason = {};  // for log and metric only, never shown to the client
  std::string_view detail = {};  // shown to the client; empty: the table's
};

struct ErrorInfo {
  std::string_view name;    // the `code` member of problem+json
  std::uint16_t status;     // HTTP status
  bool retryable;           // the `retryable` member: the same request may succeed later
  std::string_view detail;  // default `detail` for clients
};

// The table row of `code`.
const ErrorInfo& error_info(ErrorCode code) noexcept;

// The status the error answers with: its own, or the table's.
std::uint16_t error_status(const Error& error) noexcept;

// Reason phrase of an HTTP status ("Not Found"); "Unknown" for one that RFC 9110 does not name.
std::string_view status_title(std::uint16_t status) noexcept;

}  // namespace lotagate
