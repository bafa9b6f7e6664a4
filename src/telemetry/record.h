// What is known about a request when it has ended: the one input of the access log and of the metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/address.h"
#include "base/clock.h"
#include "base/error.h"

namespace lotagate::telemetry {

// Why a request ended, from the client's point of view.
enum class RequestEnd : std::uint8_t {
  complete,         // the whole answer of the service was sent, whatever its status
  refused,          // the gateway answered itself: malformed, unauthorised, limited, no route, overloaded, draining
  client_closed,    // the client left before the end
  upstream_failed,  // the service could not be reached, broke off or spoke nonsense
  timed_out,        // a deadline passed, on either side
  aborted,          // shutdown or an internal error cut the exchange off
};
inline constexpr std::size_t kRequestEndCount = static_cast<std::size_t>(RequestEnd::aborted) + 1;

// The name in the log's `end`.
std::string_view request_end_name(RequestEnd end) noexcept;

// Methods that metrics tell apart; every other one is OTHER, so that clients cannot create series.
inline constexpr std::array<std::string_view, 10> kMethodLabels{"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                                "CONNECT", "OPTIONS", "TRACE", "PATCH", "OTHER"};
inline constexpr std::uint8_t kOtherMethod = kMethodLabels.size() - 1;

// Index in kMethodLabels; exact, case-sensitive (RFC 9110 9.1).
std::uint8_t method_index(std::string_view method) noexcept;

// Route slots that Metrics always has (metrics.h).
inline constexpr std::uint32_t kNoRouteSlot = 0;  // no route matched, or the request could not be read

// What a route's `require` said of a request.
enum class PolicyOutcome : std::uint8_t {
  none,  // it was not asked: there is none, or the request was refused before
  allow,
  deny,
  would_deny,  // and the route is `report_only`
};
inline constexpr std::size_t kPolicyOutcomeCount = static_cast<std::size_t>(PolicyOutcome::would_deny) + 1;

// The name in log and metrics; empty for none.
std::string_view policy_outcome_name(PolicyOutcome outcome) noexcept;

// All views must live only until write() and record() return. An empty text means: not known, logged as null.
struct RequestRecord {
  WallTime time{};  // when the request's first byte came
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view method;  // as received
  std::string_view path;    // canonical, without the query
  std::string_view query;   // as received, without '?'; its values are never logged
  std::string_view route;   // the route's name in the configuration
  std::string_view service;
  std::string_view endpoint;    // host:port that answered last
  std::string_view user;        // whom the credentials name
  std::string_view credential;  // "token", "api_key"
  std::string_view key_id;      // of the API key
  PolicyOutcome policy = PolicyOutcome::none;
  IpAddress client;          // the address that limits and the log use (behind trusted proxies the forwarded one)
  std::uint16_t status = 0;  // sent to the client; 499 if it left before; 0 if nothing could be sent
  std::optional<ErrorCode> code;
  std::string_view reason;                    // Error::reason: for operators only
  std::uint64_t bytes_in = 0;                 // of the body
  std::uint64_t bytes_out = 0;                // of the body
  nanoseconds duration{0};                    // first byte of the request to last byte of the answer
  std::optional<nanoseconds> queue_duration;  // of that, waiting for its turn under a concurrency limit
  nanoseconds upstream_duration{0};           // of duration, waiting for the service; meaningless when attempts is 0
  std::uint8_t attempts = 0;                  // times the request was offered to an endpoint
  RequestEnd end = RequestEnd::complete;
  std::uint32_t route_slot = kNoRouteSlot;  // Metrics::route_slot
  std::uint8_t method_index = kOtherMethod;
};

}  // namespace lotagate::telemetry
