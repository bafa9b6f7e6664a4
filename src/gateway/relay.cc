// The answer on its way to the client: relayed as it comes, or, if it is an error, turned into the common format.
#include <string>

#include "base/text.h"
#include "gateway/connection.h"
#include "gateway/exchange.h"
#include "http/field_lines.h"
#include "http/problem.h"

namespace lotagate {
namespace {

// An error body is worth this much reading; longer ones are not messages.
constexpr std::size_t kMaxErrorBodyBytes = 64 * 1024;

bool is_problem(const http::ResponseHead& response) {
  const http::Field* type = response.fields.only(http::FieldName::content_type);
  return type != nullptr && iequals(trim(type->value.substr(0, type->value.find(';'))), "application/problem+json");
}

}  // namespace

Result<http::Framing> Exchange::begin_response_body() {
  auto framing = http::response_framing(response_, to_head());
  if (!framing) return framing;
  std::string_view rest(answer_.data() + answer_begin_, answer_end_ - answer_begin_);
  response_body_.begin(upstream_->socket, *framing, rest, service_timeouts().between_bytes, UINT64_MAX);
  return framing;
}

// What the answer cost stands in its head, or, of a stream whose cost is known at its end, in its trailers.
void Exchange::settle_limits(const http::Framing& framing) {
  bool chunked = framing.kind == http::Framing::Kind::chunked;
  limits_.settle({.status = response_.status, .fields = &response_.fields, .trailers_follow = chunked});
  if (limits_.awaits_trailers()) response_body_.keep_trailers();
}

void Exchange::settle_limits_late() {
  std::size_t most = view_->snapshot->config.limits.fields;
  std::string_view lines = response_body_.trailers();
  http::FieldList& trailers = response_.fields;  // nobody needs those of the head any more
  trailers.clear();
  if (!lines.empty() && http::read_field_lines(lines, most, trailers) != http::FieldFault::none) trailers.clear();
  limits_.settle({.status = response_.status, .fields = &trailers});
}

bool Exchange::transforms_response() const {
  return response_.status >= 400 && route_->errors == config::ErrorMode::transform;
}

// Writes the head and sends it, with what is at hand of the body.
Result<Exchange::Relay> Exchange::relay_head(const http::Framing& framing) {
  using Kind = http::Framing::Kind;
  bool unknown_length = framing.kind == Kind::chunked || framing.kind == Kind::until_close;
  response_chunked_ = unknown_length && request_.minor >= 1;
  if (unknown_length && !response_chunked_) keep_alive_ = false;  // HTTP/1.0: the end of the connection ends the body
  if (!request_body_.ended() && upload_ != Upload::running) keep_alive_ = false;

  Buffer buffer =
      worker_.reactor().buffers().take(answer_begin_ > kSmallBufferBytes / 2 ? kLargeBufferBytes : kSmallBufferBytes);
  http::HeadWriter head(buffer.data(), buffer.capacity());
  write_downstream_head(head, framing, response_chunked_);
  if (head.overflowed()) return fail(ErrorCode::upstream_invalid, Origin::upstream, "head too large");
  downstream_sink_.begin(response_chunked_ ? BodySink::Kind::chunked : BodySink::Kind::plain, &head);
  TRY(gathered, gather(response_body_, downstream_sink_));  // a body that is broken at once is a 502, not a cut
  downstream_.emplace(worker_.reactor(), client(), Side::downstream, view_->snapshot->config.timeouts.write_progress);
  status_ = response_.status;
  head_sent_ = true;

  Relay relay{.outgoing = {downstream_sink_.take(gathered.end), gathered}};
  bool sent = send_now(client(), relay.outgoing.parts);
  relay.done = sent && gathered.end;
  relay.ends_with_connection = !response_chunked_ && framing.kind != Kind::length;
  relay.head = std::move(buffer);
  body_bytes_out_ = response_body_.octets();
  return relay;
}

Task<Result<void>> Exchange::relay_rest(Relay relay) {
  auto result = co_await pump(response_body_, downstream_sink_, *downstream_, relay.outgoing);
  body_bytes_out_ = response_body_.octets();
  if (!result.error) co_return Result<void>{};
  // Cut visibly (P07): an answer that ends with the connection would look complete after an orderly end.
  if (relay.ends_with_connection) client().abort_on_close();
  co_return std::unexpected(*result.error);
}

// Keeps the connection if everything about the exchange was in order.
void Exchange::release_upstream() {
  bool whole = response_body_.ended() && response_body_.leftover().empty();
  bool request_done = !upgrading_ && (upload_ == Upload::none || upload_ == Upload::complete);
  bool until_close = response_.minor == 0 || !http::keeps_alive(response_.fields, response_.minor);
  if (whole && request_done && !until_close) {
    pool_->put_back(std::move(upstream_), view_->snapshot->config.timeouts.upstream_idle);
  }
  upstream_.reset();
}

Task<std::string> Exchange::read_error_body() {
  std::string body;
  while (body.size() <= kMaxErrorBodyBytes) {
    auto piece = response_body_.next();
    if (!piece) break;
    body += piece->data;
    if (piece->end) co_return body;
    if (!piece->data.empty()) continue;
    auto filled = co_await response_body_.fill();
    if (!filled) break;
  }
  co_return std::string();
}

// A backend's 4xx keeps its status and its message, a 5xx only its status (design: one error format).
Task<Result<void>> Exchange::transform_error() {
  std::string body = co_await read_error_body();
  Error error{.code = ErrorCode::upstream_error, .origin = Origin::upstream, .status = response_.status};
  http::ProblemContext context{.instance = instance_,
                               .request_id = request_id_,
                               .service = view_->snapshot->services[route_->service].name,
                               .violated_policy = {}};
  bool readable =
      response_.status < 500 && !body.empty() && response_.fields.first(http::FieldName::content_encoding) == nullptr;
  std::string problem;
  bool completed = readable && is_problem(response_) && http::complete_problem(problem, body, error, context);
  if (!completed) {
    std::optional<std::string> message;
    if (readable) message = http::extract_message(body);
    if (message) error.detail = arena_.copy(*message);
    http::write_problem(problem, error, context);
  }
  error_ = error;
  keep_alive_ = keep_alive_ && request_body_.ended();  // nobody will read the rest of the body: say so (F17)
  bool sent = co_await answer_problem(error, problem, true);
  if (!sent) co_return fail(ErrorCode::client_closed, Origin::downstream, "client gone");
  co_return Result<void>{};
}

}  // namespace lotagate
