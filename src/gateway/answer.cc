// Answers as the client sees them: the head of a relayed answer, and whole answers of the gateway's own.
#include <string>

#include "base/text.h"
#include "gateway/connection.h"
#include "gateway/exchange.h"
#include "http/problem.h"
#include "limit/fields.h"

namespace lotagate {
namespace {

constexpr seconds kUnavailableRetryAfter{1};  // what 503 suggests when nothing better is known

// Describe a body that our own replaces.
bool describes_body(http::FieldName id) {
  using http::FieldName;
  return id == FieldName::content_type || id == FieldName::content_encoding || id == FieldName::etag ||
         id == FieldName::last_modified;
}

}  // namespace

void Exchange::write_downstream_head(http::HeadWriter& out, const http::Framing& framing, bool chunked) {
  out.text("HTTP/1.1 ");
  out.number(response_.status);
  out.text(" ", response_.reason, "\r\n");
  write_kept_fields(out, false);
  if (chunked) {
    out.text("Transfer-Encoding: chunked\r\n");
  } else if (framing.kind == http::Framing::Kind::length) {
    out.field("Content-Length", framing.length);
  } else if (to_head() || response_.status == 304) {  // the length a GET would have had
    const http::Field* length = response_.fields.only(http::FieldName::content_length);
    if (length != nullptr) out.field("Content-Length", parse_decimal(length->value).value_or(0));
  }
  limits_.write_fields(out);
  write_common(out);
  out.end_of_head();
}

// The upstream's end-to-end fields. `replaced_body`: without those that describe its body.
void Exchange::write_kept_fields(http::HeadWriter& out, bool replaced_body) {
  bool has_nominations = http::has_nominations(response_.fields);
  for (const http::Field& field : response_.fields.items) {
    if (http::is_hop_by_hop(field.id) || field.id == http::FieldName::x_request_id) continue;
    if (replaced_body && describes_body(field.id)) continue;
    if (has_nominations && http::is_nominated(response_.fields, field.name)) continue;
    out.relayed_field(field.name, field.value);
  }
}

void Exchange::write_common(http::HeadWriter& out) {
  out.field("X-Request-Id", request_id_);
  keep_alive_ = keep_alive_ && !worker_.draining();
  if (!keep_alive_) {
    out.text("Connection: close\r\n");
  } else if (request_.minor == 0) {
    out.text("Connection: keep-alive\r\n");
  }
}

// What belongs to the error besides its body: challenges, allowed methods, when to come back.
void Exchange::write_error_fields(http::HeadWriter& out, const Error& error) {
  char text[limit::kMaxRetryAfter];
  switch (error.code) {
    case ErrorCode::missing_token: out.text("WWW-Authenticate: Bearer realm=\"lotagate\"\r\n"); break;
    case ErrorCode::invalid_token:
      out.text("WWW-Authenticate: Bearer realm=\"lotagate\", error=\"invalid_token\"\r\n");
      break;
    case ErrorCode::expired_token:
      out.text(
          "WWW-Authenticate: Bearer realm=\"lotagate\", error=\"invalid_token\", "
          "error_description=\"The access token expired\"\r\n");
      break;
    case ErrorCode::forbidden:
      out.text("WWW-Authenticate: Bearer realm=\"lotagate\", error=\"insufficient_scope\"\r\n");
      break;
    case ErrorCode::method_not_allowed: out.field("Allow", allow_); break;
    case ErrorCode::rate_limited:
      out.field("Retry-After", limit::write_retry_after(text, limits_.retry_after().value_or(seconds(1))));
      break;
    case ErrorCode::concurrency_limited:
    case ErrorCode::overloaded:
      out.field("Retry-After", limit::write_retry_after(text, places_.retry_after().value_or(kUnavailableRetryAfter)));
      break;
    case ErrorCode::keys_unavailable:
    case ErrorCode::authorization_unavailable:
    case ErrorCode::limits_unavailable:
    case ErrorCode::draining: out.field("Retry-After", limit::write_retry_after(text, kUnavailableRetryAfter)); break;
    default: break;
  }
}

// The service may have worked for a request unless no attempt reached it.
void Exchange::settle_limits(const Error& error) {
  limits_.settle({.status = error_status(error), .reached_service = reached_service_});
}

Task<bool> Exchange::answer_error(const Error& error) {
  error_ = error;
  if (head_sent_) co_return false;  // too late for another answer: the connection is cut
  bool gone = error.code == ErrorCode::client_closed || client().cancelled() || client().failed();
  if (gone) {
    status_ = error_info(ErrorCode::client_closed).status;
    co_return false;
  }
  settle_limits(error);
  keep_alive_ = keep_alive_ && drain_request_body();
  http::ProblemContext context{
      .instance = instance_, .request_id = request_id_, .service = {}, .violated_policy = limits_.violated()};
  if (!places_.violated().empty()) context.violated_policy = places_.violated();
  if (error.origin == Origin::upstream && route_ != nullptr) {
    context.service = view_->snapshot->services[route_->service].name;
  }
  std::string body;
  http::write_problem(body, error, context);
  bool sent = co_await answer_problem(error, body, false);
  co_return sent&& keep_alive_;
}

Task<bool> Exchange::answer_problem(const Error& error, const std::string& body, bool keep_backend_fields) {
  std::size_t room = body.size() + 4096 + (keep_backend_fields ? answer_begin_ : 0);
  if (room > kLargeBufferBytes) room = kLargeBufferBytes;
  Buffer buffer = worker_.reactor().buffers().take(room);
  http::HeadWriter out(buffer.data(), buffer.capacity());
  std::uint16_t status = error_status(error);
  out.text("HTTP/1.1 ");
  out.number(status);
  out.text(" ", status_title(status), "\r\n");
  if (keep_backend_fields) write_kept_fields(out, true);
  out.field("Content-Type", "application/problem+json");
  out.field("Content-Length", body.size());
  write_error_fields(out, error);
  limits_.write_fields(out);
  write_common(out);
  out.end_of_head();
  if (!to_head()) out.text(body);
  status_ = status;
  head_sent_ = true;
  if (out.overflowed()) co_return false;
  if (!to_head()) body_bytes_out_ = body.size();
  std::string_view text = out.view();
  iovec part{const_cast<char*>(text.data()), text.size()};
  auto progress = view_->snapshot->config.timeouts.write_progress;
  auto sent = co_await send_all(worker_.reactor(), client(), std::span(&part, 1), progress);
  co_return sent.status == SendStatus::sent;
}

// `OPTIONS *` asks about the gateway itself (L10).
Task<Result<void>> Exchange::answer_options() {
  keep_alive_ = keep_alive_ && drain_request_body();
  Buffer buffer = worker_.reactor().buffers().take();
  http::HeadWriter out(buffer.data(), buffer.capacity());
  out.text("HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
  write_common(out);
  out.end_of_head();
  status_ = 204;
  head_sent_ = true;
  std::string_view text = out.view();
  iovec part{const_cast<char*>(text.data()), text.size()};
  auto progress = view_->snapshot->config.timeouts.write_progress;
  auto sent = co_await send_all(worker_.reactor(), client(), std::span(&part, 1), progress);
  keep_alive_ = keep_alive_ && sent.status == SendStatus::sent;
  co_return Result<void>{};
}

// True if the whole body has been received already: then the connection can go on after an early answer (F17).
bool Exchange::drain_request_body() {
  while (!request_body_.ended()) {
    auto piece = request_body_.next();
    if (!piece || (piece->data.empty() && !piece->end)) return false;
  }
  return true;
}

}  // namespace lotagate
