// Switching a connection to WebSocket (RFC 6455): the request is checked and passed on like any other; the bytes behind
// its head wait until the service has answered 101, and from then on both connections belong to each other (P02).
#include <algorithm>

#include "base/text.h"
#include "gateway/connection.h"
#include "gateway/exchange.h"
#include "gateway/tunnel.h"

namespace lotagate {
namespace {

constexpr std::string_view kWebSocket = "websocket";
constexpr std::string_view kVersion = "13";
constexpr std::size_t kKeyBytes = 24;     // base64 of 16 random bytes
constexpr std::size_t kAcceptBytes = 28;  // base64 of a SHA-1

bool lists(const http::FieldList& fields, http::FieldName id, std::string_view wanted) {
  bool found = false;
  for (const http::Field& field : fields.items) {
    if (field.id != id) continue;
    for_each_list_item(field.value, [&](std::string_view item) { found |= iequals(item, wanted); });
  }
  return found;
}

bool is_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

// The value of the only field called `name`; empty if there is none or more than one.
std::string_view only_value(const http::FieldList& fields, std::string_view name) {
  std::string_view value;
  int count = 0;
  for (const http::Field& field : fields.items) {
    if (!iequals(field.name, name)) continue;
    value = field.value;
    ++count;
  }
  return count == 1 ? value : std::string_view();
}

std::unexpected<Error> bad_handshake(std::string_view reason, std::string_view detail) {
  return std::unexpected(
      Error{.code = ErrorCode::bad_request, .origin = Origin::downstream, .reason = reason, .detail = detail});
}

}  // namespace

Result<bool> asks_for_websocket(const http::RequestHead& request, const http::Framing& framing) {
  if (request.minor == 0 || request.method != "GET") return false;
  if (!lists(request.fields, http::FieldName::upgrade, kWebSocket)) return false;
  if (!lists(request.fields, http::FieldName::connection, "upgrade")) return false;
  if (framing.has_body() && (framing.kind != http::Framing::Kind::length || framing.length != 0)) {
    return bad_handshake("body in a handshake", "A WebSocket handshake has no body.");
  }
  if (only_value(request.fields, "sec-websocket-version") != kVersion) {
    return bad_handshake("Sec-WebSocket-Version", "Sec-WebSocket-Version has to be 13.");
  }
  std::string_view key = only_value(request.fields, "sec-websocket-key");
  if (key.size() != kKeyBytes || !key.ends_with("==") || !is_base64(key)) {
    return bad_handshake("Sec-WebSocket-Key", "Sec-WebSocket-Key has to be 16 bytes in base64.");
  }
  return true;
}

// Whether this request asks for a WebSocket, on a route that allows it; otherwise `Upgrade` is dropped like every
// hop-by-hop field. From here on the client's connection carries nothing else: what the client sent behind the head may
// be frames, and must never be read as a request.
Result<void> Exchange::check_upgrade() {
  if (!route_->websocket) return {};
  auto asked = asks_for_websocket(request_, request_framing_);
  if (asked && !*asked) return {};
  upgrading_ = true;
  keep_alive_ = false;
  return asked ? Result<void>{} : std::unexpected(asked.error());
}

// Whether the 101 that came is the answer to what was asked.
bool Exchange::is_websocket_accepted() const {
  const http::FieldList& fields = response_.fields;
  std::string_view accept = only_value(fields, "sec-websocket-accept");
  bool framed = fields.has(http::FieldName::content_length) || fields.has(http::FieldName::transfer_encoding);
  return upgrading_ && request_.minor >= 1 && response_.minor >= 1 && !framed &&
         lists(fields, http::FieldName::upgrade, kWebSocket) && lists(fields, http::FieldName::connection, "upgrade") &&
         accept.size() == kAcceptBytes && is_base64(accept);
}

// Nobody asks again what the caller may while the tunnel lasts: it does not outlive the credential.
void Exchange::end_with_caller(Tunnel::Times& times) const {
  WallTime expires = access_.expires();
  if (expires == WallTime::max()) return;
  times.end = worker_.reactor().now() + (expires - worker_.reactor().wall_now());
  times.end_error = access_.expired();
}

Task<Result<void>> Exchange::switch_protocols() {
  if (!is_websocket_accepted()) co_return fail(ErrorCode::upstream_invalid, Origin::upstream, "unexpected 101");
  limits_.settle({.status = response_.status, .fields = &response_.fields});
  Buffer buffer = worker_.reactor().buffers().take(kLargeBufferBytes);
  http::HeadWriter head(buffer.data(), buffer.capacity());
  head.text("HTTP/1.1 101 Switching Protocols\r\n");
  write_kept_fields(head, false);
  head.text("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  limits_.write_fields(head);
  head.field("X-Request-Id", request_id_);
  head.end_of_head();
  if (head.overflowed()) co_return fail(ErrorCode::upstream_invalid, Origin::upstream, "head too large");
  status_ = response_.status;
  head_sent_ = true;
  client().set_hangup_listener(nullptr);  // from here on somebody reads from it
  std::string_view text = head.view();
  iovec part{const_cast<char*>(text.data()), text.size()};
  auto write_progress = view_->snapshot->config.timeouts.write_progress;
  auto sent = co_await send_all(worker_.reactor(), client(), std::span(&part, 1), write_progress);
  if (sent.status != SendStatus::sent) co_return std::unexpected(send_error(Side::downstream, sent.status, client()));
  buffer.release();

  Tunnel::Times times{.idle = service_timeouts().upgrade_idle,
                      .downstream_progress = write_progress,
                      .upstream_progress = service_timeouts().between_bytes};
  end_with_caller(times);
  leave_view();
  Tunnel tunnel(worker_.reactor(), client(), upstream_->socket, times);
  std::string_view from_service(answer_.data() + answer_begin_, answer_end_ - answer_begin_);
  auto error = co_await tunnel.run(request_body_.leftover(), from_service);
  tunnel_bytes_in_ = tunnel.bytes_in() + request_body_.leftover().size();
  body_bytes_out_ = tunnel.bytes_out() + from_service.size();
  if (error) co_return std::unexpected(*error);
  co_return Result<void>{};
}

}  // namespace lotagate
