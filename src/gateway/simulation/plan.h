// What a scripted client asks, and what the service is to do about it. The plan of an answer travels in the query of
// its request, so that one place decides what an exchange is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lotagate::simulation {

// How a service frames its answer.
enum class AnswerStyle : std::uint8_t { length, chunked, until_close };

// What a service does wrong, or unusual, with one request.
enum class AnswerFault : std::uint8_t {
  none,
  reset_at_once,  // before the request is read
  close_at_once,  // the same with a FIN
  reset_before,   // the request has been read whole; no byte of an answer
  close_before,   // the same with a FIN
  reset_in_head,
  reset_in_body,
  close_in_body,  // FIN before the body is whole
  extra_bytes,    // behind a whole answer
  garbage,        // no HTTP
  endless_head,
  two_lengths,  // Content-Length and Transfer-Encoding
  bad_chunk,
  stall_before,  // silence for ever
  stall_in_body,
  close_after,  // a whole answer that promises more, and a FIN behind it
  say_close,    // Connection: close, and a FIN
  early,        // answers before it reads the body, and reads it then
  early_close,  // answers before it reads the body, says close, and closes
  interim,      // 103 before the answer
  slow,         // in pieces with pauses
};
inline constexpr std::size_t kAnswerFaults = static_cast<std::size_t>(AnswerFault::slow) + 1;

struct AnswerPlan {
  int status = 200;
  AnswerStyle style = AnswerStyle::length;
  std::size_t bytes = 100;
  AnswerFault fault = AnswerFault::none;
  bool only_first_time = false;  // the fault; a repeated request goes well
};

// "?status=200&style=0&bytes=100&fault=0&first=0"; and back. Nothing for a query that is not of this form.
std::string to_query(const AnswerPlan& plan);
std::optional<AnswerPlan> parse_query(std::string_view query);

enum class BodyStyle : std::uint8_t { none, length, chunked };

// How a client spoils its own request.
enum class RequestFault : std::uint8_t {
  none,
  bare_line_feed,
  two_lengths,
  length_and_chunked,
  folded_field,
  space_before_colon,
  bad_chunk,
  no_host,
  bad_version,
};
inline constexpr std::size_t kRequestFaults = static_cast<std::size_t>(RequestFault::bad_version) + 1;

struct RequestPlan {
  std::string method = "GET";
  std::string route = "/open";
  BodyStyle body = BodyStyle::none;
  std::size_t body_bytes = 0;
  bool expect_continue = false;
  bool say_close = false;
  bool old_version = false;  // HTTP/1.0
  // Asks for a WebSocket: `body_bytes` follow the head at once, `answer.bytes` the 101 (answer.status says so).
  bool upgrade = false;
  std::string token = {};    // bearer; empty: none
  std::string api_key = {};  // empty: none
  AnswerPlan answer = {};
  RequestFault fault = RequestFault::none;
  std::string subject = {};      // whom the service is told about; empty: nobody
  bool must_not_arrive = false;  // no service may see it: malformed, unauthorised
};

// Whether the answer to it has octets of a body on the wire, chunk sizes included.
bool has_answer_body(const RequestPlan& plan);
// Whether a client may see the answer whole: false where the service never sends all of it.
bool can_be_whole(const RequestPlan& plan);

// Bytes [from, from + count) of the body that belongs to `nonce`, endless and unlike every other nonce's. `kind` tells
// requests ('q') from answers ('a').
std::string body_piece(char kind, std::uint64_t nonce, std::size_t from, std::size_t count);

// The request as it goes over the wire, its nonce in the path.
std::string to_wire(const RequestPlan& plan, std::uint64_t nonce);

}  // namespace lotagate::simulation
