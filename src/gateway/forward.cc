// The request on its way to the upstream: connect, send, upload, wait for the head of the answer; one safe retry.
#include "gateway/connection.h"
#include "gateway/exchange.h"
#include "http/method.h"

namespace lotagate {
namespace {

constexpr int kMaxInterimResponses = 8;
// Identity, forwarding and trace fields (a subject has at most 320 bytes, roles come bounded), and a small body.
constexpr std::size_t kAddedHeadBytes = 8192;

std::unexpected<Error> upstream_failure(ErrorCode code, std::string_view reason, bool retry_safe) {
  return std::unexpected(Error{.code = code, .origin = Origin::upstream, .retry_safe = retry_safe, .reason = reason});
}

std::size_t total_bytes(std::span<const iovec> parts) {
  std::size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  return total;
}

}  // namespace

Task<Result<void>> Exchange::forward() {
  client().set_hangup_listener(this);
  forward_began_ = worker_.reactor().backend().now();
  Result<void> outcome;
  while (true) {
    outcome = co_await attempt(attempts_ > 0 || upgrading_);
    if (upload_done_) co_await stop_upload();
    if (outcome || head_sent_ || attempts_ >= 2 || client().cancelled()) break;
    if (!outcome.error().retry_safe || request_body_.filled() || !worker_.take_retry()) break;
    worker_.metrics().gauges.retries.add();
    upstream_.reset();
    request_body_.rewind();
  }
  client().set_hangup_listener(nullptr);
  MonotonicTime ended = worker_.reactor().backend().now();
  upstream_duration_ = ended - forward_began_;
  if (outcome) {
    ended_ = ended;
    release_upstream();
  } else {
    upstream_.reset();
  }
  co_return outcome;
}

Task<Result<void>> Exchange::attempt(bool fresh) {
  auto& service = view_->services[route_->service];
  ++attempts_;
  std::size_t index = worker_.pick_index(service, attempts_ > 1 ? pool_ : nullptr);
  if (index == service.endpoints.size()) {
    co_return upstream_failure(ErrorCode::upstream_unreachable, "service has no address", false);
  }
  pool_ = service.endpoints[index];
  endpoint_ = view_->snapshot->services[route_->service].endpoints[index].text;

  // The head is written first and the octets at hand are gathered behind it: one send carries both.
  std::size_t head_room =
      request_head_bytes_ + 2 * request_.target.size() + access_.claim_lines().size() + kAddedHeadBytes;
  Buffer buffer = worker_.reactor().buffers().take(std::min(head_room, kLargeBufferBytes));
  http::HeadWriter head(buffer.data(), buffer.capacity());
  write_upstream_head(head);
  if (head.overflowed()) co_return fail(ErrorCode::headers_too_large, Origin::downstream, "head grew too large");
  upstream_sink_.begin(request_sink_kind(), &head);
  auto gathered = gather(request_body_, upstream_sink_);
  if (!gathered) co_return std::unexpected(gathered.error());

  if (!fresh) upstream_ = pool_->take_idle();
  if (!upstream_) {
    auto connected = co_await connect(*pool_);
    if (!connected) co_return connected;
  }
  reached_service_ = true;
  std::span<iovec> parts = upstream_sink_.take(gathered->end);
  std::size_t whole = total_bytes(parts);
  if (!send_now(upstream_->socket, parts)) {
    auto sent = co_await send_request(parts, total_bytes(parts) == whole);
    if (!sent) co_return sent;
  }
  buffer.release();
  if (!gathered->end) CO_TRY_VOID(start_upload());

  // The usual answer is a head that comes whole, with a body that can be sent on at once: no further coroutine.
  begin_response_head();
  auto wait = co_await upstream_->socket.readable(response_head_deadline());
  auto step = receive_response_head(wait);
  if (!step) co_return std::unexpected(step.error());
  if (*step != ResponseStep::complete) {
    auto received = co_await await_response_head(*step);
    if (!received) co_return received;
  }
  if (response_.status == 101) co_return co_await switch_protocols();
  auto framing = begin_response_body();
  if (!framing) co_return std::unexpected(framing.error());
  settle_limits(*framing);
  if (transforms_response()) co_return co_await transform_error();
  auto relay = relay_head(*framing);
  if (!relay) co_return std::unexpected(relay.error());
  if (relay->done) co_return Result<void>{};
  co_return co_await relay_rest(std::move(*relay));
}

BodySink::Kind Exchange::request_sink_kind() const {
  switch (request_framing_.kind) {
    case http::Framing::Kind::none: return BodySink::Kind::none;
    case http::Framing::Kind::chunked: return BodySink::Kind::chunked;
    case http::Framing::Kind::length:
    case http::Framing::Kind::until_close: break;
  }
  return BodySink::Kind::plain;
}

Task<Result<void>> Exchange::connect(upstream::EndpointPool& pool) {
  auto begun = worker_.begin_connect(pool);
  if (!begun && begun.error() == upstream::ConnectFailure::no_descriptors) {
    co_return fail(ErrorCode::overloaded, Origin::internal, "no descriptors");
  }
  if (!begun) co_return upstream_failure(ErrorCode::upstream_unreachable, "connect failed", true);
  upstream_ = std::move(*begun);
  auto wait = co_await upstream_->socket.writable(worker_.reactor().now() + service_timeouts().connect);
  if (wait == Wait::cancelled) co_return std::unexpected(wait_error(Side::upstream, wait, upstream_->socket));
  if (wait == Wait::timed_out) {
    co_return upstream_failure(ErrorCode::upstream_timeout, "connect timed out", true);
  }
  if (!pool.finish_connect(*upstream_)) {
    co_return upstream_failure(ErrorCode::upstream_unreachable, "connection refused", true);
  }
  co_return Result<void>{};
}

// What one plain send did not take, or the reason why it took nothing.
Task<Result<void>> Exchange::send_request(std::span<iovec> parts, bool nothing_sent) {
  Socket& socket = upstream_->socket;
  auto sent = co_await send_all(worker_.reactor(), socket, parts, service_timeouts().between_bytes);
  if (sent.status != SendStatus::sent) {
    Error error = send_error(Side::upstream, sent.status, socket);
    bool may_repeat = (nothing_sent && sent.bytes == 0) || http::is_idempotent(request_.method);
    error.retry_safe = sent.status == SendStatus::closed && may_repeat;
    co_return std::unexpected(error);
  }
  co_return Result<void>{};
}

Result<void> Exchange::start_upload() {
  if (field_findings_.expects_continue) TRY_VOID(send_continue());
  upload_ = Upload::running;
  upload_done_.emplace(worker_.reactor());
  spawn(worker_, upload());
  return {};
}

// The rest of the request body, beside the answer: services may answer while they still read.
Task<void> Exchange::upload() {
  Socket& socket = upstream_->socket;
  PumpTarget target{worker_.reactor(), socket, Side::upstream, service_timeouts().between_bytes};
  upstream_sink_.begin(request_sink_kind(), nullptr);
  PumpResult result;
  try {
    auto gathered = gather(request_body_, upstream_sink_);
    if (gathered) {
      Outgoing outgoing{upstream_sink_.take(gathered->end), *gathered};
      result = co_await pump(request_body_, upstream_sink_, target, outgoing);
    } else {
      result.error = gathered.error();
    }
  } catch (...) {
    result.error = Error{.code = ErrorCode::internal, .reason = "exception while uploading"};
  }
  upload_ = result.error ? Upload::broken : Upload::complete;
  // A service that stops reading may still have answered: its answer, or its silence, decides. Everything else that
  // went wrong ends the exchange with that error.
  bool service_closed = result.error && result.error->code == ErrorCode::upstream_reset;
  if (result.error && !service_closed) socket.cancel(*result.error);
  socket.move_read_deadline(worker_.reactor().now() + service_timeouts().first_byte);
  if (!result.error && client().peer_closed()) probe_half_closed();
  upload_done_->set();
}

// The answer is over, or will not come: nobody needs the rest of the body.
Task<void> Exchange::stop_upload() {
  if (upload_ == Upload::running) {
    upstream_->socket.cancel(Error{.code = ErrorCode::upstream_reset, .origin = Origin::upstream, .reason = "over"});
    client().interrupt_reader();
  }
  co_await upload_done_->wait();
}

// Errors while no byte of an answer has come. Idempotent requests may be repeated then (RFC 9112 9.3.1), unless the
// body has been streamed.
Error Exchange::before_answer(ErrorCode code, std::string_view reason) const {
  bool safe = http::is_idempotent(request_.method) && upload_ == Upload::none && answer_end_ == 0;
  return Error{.code = code, .origin = Origin::upstream, .retry_safe = safe, .reason = reason};
}

void Exchange::begin_response_head() {
  answer_.release();
  answer_begin_ = 0;
  answer_end_ = 0;
  answer_scanner_.reset();
  response_deadline_ = worker_.reactor().now() + service_timeouts().first_byte;
}

// The end of an upload moves it.
MonotonicTime Exchange::response_head_deadline() const {
  return upload_ == Upload::running ? kNever : response_deadline_;
}

Result<Exchange::ResponseStep> Exchange::receive_response_head(Wait wait) {
  Socket& socket = upstream_->socket;
  if (wait != Wait::ready) return std::unexpected(wait_error(Side::upstream, wait, socket));
  // Not before there is something to read: of all buffers the last one given back is the warmest.
  if (!answer_) answer_ = worker_.reactor().buffers().take();
  IoResult result = socket.try_receive({answer_.data() + answer_end_, answer_.capacity() - answer_end_});
  if (result.status == IoStatus::would_block) return ResponseStep::incomplete;
  if (result.status != IoStatus::ok) {
    return std::unexpected(before_answer(ErrorCode::upstream_reset, "closed before an answer"));
  }
  answer_end_ += result.bytes;
  return scan_response();
}

Task<Result<void>> Exchange::await_response_head(ResponseStep step) {
  while (step != ResponseStep::complete) {
    Result<ResponseStep> next;
    if (step == ResponseStep::interim) {
      auto forwarded = co_await forward_interim();
      if (!forwarded) co_return forwarded;
      next = scan_response();
    } else {
      auto wait = co_await upstream_->socket.readable(response_head_deadline());
      next = receive_response_head(wait);
    }
    if (!next) co_return std::unexpected(next.error());
    step = *next;
  }
  co_return Result<void>{};
}

// If a whole head has been received, response_ holds it and answer_begin_ is behind it.
Result<Exchange::ResponseStep> Exchange::scan_response() {
  const config::Limits& limits = view_->snapshot->config.limits;
  std::string_view bytes(answer_.data() + answer_begin_, answer_end_ - answer_begin_);
  auto status = answer_scanner_.scan(bytes);
  if (status == http::HeadScanner::Status::malformed || bytes.size() > kLargeBufferBytes) {
    return upstream_failure(ErrorCode::upstream_invalid, "not HTTP", false);
  }
  if (status == http::HeadScanner::Status::incomplete) {
    if (answer_scanner_.has_first_line() && !http::begins_like_response(bytes)) {
      return upstream_failure(ErrorCode::upstream_invalid, "not HTTP", false);
    }
    if (bytes.size() >= limits.head) return upstream_failure(ErrorCode::upstream_invalid, "head too large", false);
    if (answer_end_ == answer_.capacity()) {  // more room: a larger buffer with what there is of this head
      Buffer larger = worker_.reactor().buffers().take(kLargeBufferBytes);
      std::copy(bytes.begin(), bytes.end(), larger.data());
      answer_end_ = bytes.size();
      answer_begin_ = 0;
      answer_ = std::move(larger);
    }
    return ResponseStep::incomplete;
  }
  auto head = bytes.substr(0, answer_scanner_.head_bytes());
  http::HeadLimits head_limits{.head_bytes = limits.head, .fields = limits.fields, .target_bytes = limits.target};
  TRY_VOID(http::parse_response_head(head, head_limits, response_));
  if (head.size() > limits.head) return upstream_failure(ErrorCode::upstream_invalid, "head too large", false);
  answer_begin_ += head.size();
  answer_scanner_.reset();
  bool is_final = response_.status >= 200 || response_.status == 101;
  return is_final ? ResponseStep::complete : ResponseStep::interim;
}

// 1xx: 100 has been sent by ourselves; others go on to clients that know them (RFC 9110 15.2).
Task<Result<void>> Exchange::forward_interim() {
  if (++interim_responses_ > kMaxInterimResponses) {
    co_return upstream_failure(ErrorCode::upstream_invalid, "too many 1xx", false);
  }
  if (response_.status == 100 || request_.minor == 0) co_return Result<void>{};
  Buffer buffer = worker_.reactor().buffers().take(kLargeBufferBytes);
  http::HeadWriter head(buffer.data(), buffer.capacity());
  head.text("HTTP/1.1 ");
  head.number(response_.status);
  head.text(" ", response_.reason, "\r\n");
  write_kept_fields(head, false);
  head.end_of_head();
  if (head.overflowed()) co_return upstream_failure(ErrorCode::upstream_invalid, "head too large", false);
  std::string_view text = head.view();
  iovec part{const_cast<char*>(text.data()), text.size()};
  auto progress = view_->snapshot->config.timeouts.write_progress;
  auto sent = co_await send_all(worker_.reactor(), client(), std::span(&part, 1), progress);
  if (sent.status != SendStatus::sent) co_return std::unexpected(send_error(Side::downstream, sent.status, client()));
  co_return Result<void>{};
}

// 25 bytes into an idle connection: they fit whole, or the client is gone.
Result<void> Exchange::send_continue() {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  iovec part{const_cast<char*>(kContinue.data()), kContinue.size()};
  IoResult result = client().try_send(std::span(&part, 1));
  if (result.status == IoStatus::ok && result.bytes == kContinue.size()) return {};
  return fail(ErrorCode::client_closed, Origin::downstream, "client gone");
}

// The client has ended its sending side. Did it only half-close, or leave? Bytes that change nothing in the message
// tell: a client that has left answers them with a reset, which cancels the upstream request at once.
//  - before the answer: a 100 response, which every HTTP/1.1 client must be able to skip (RFC 9110 15.2);
//  - within a chunked answer, between chunks: a leading zero of the next chunk size (RFC 9112 7.1: 1*HEXDIG).
void Exchange::probe_half_closed() {
  if (request_.minor == 0 || client().cancelled()) return;
  std::string_view probe;
  if (!head_sent_ && status_ == 0) probe = "HTTP/1.1 100 Continue\r\n\r\n";
  if (head_sent_ && response_chunked_ && downstream_ && !downstream_->sending) probe = "0";
  if (probe.empty()) return;
  iovec part{const_cast<char*>(probe.data()), probe.size()};
  IoResult sent = client().try_send(std::span(&part, 1));
  // Half a probe would be the beginning of the answer: a client that takes so little will not get one.
  if (sent.status == IoStatus::ok && sent.bytes < probe.size()) on_hangup(true);
}

}  // namespace lotagate
