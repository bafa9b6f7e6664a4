#include "gateway/body.h"

#include <algorithm>

namespace lotagate {
namespace {

Error make_error(ErrorCode code, Origin origin, std::string_view reason) {
  return Error{.code = code, .origin = origin, .reason = reason};
}

Error timed_out(Side side) {
  return side == Side::downstream ? make_error(ErrorCode::request_timeout, Origin::downstream, "client too slow")
                                  : make_error(ErrorCode::upstream_timeout, Origin::upstream, "service too slow");
}

Error gone(Side side) {
  return side == Side::downstream ? make_error(ErrorCode::client_closed, Origin::downstream, "client gone")
                                  : make_error(ErrorCode::upstream_reset, Origin::upstream, "connection closed");
}

// The end of the stream before the end of the body. A client that only ended its sending side can still be told.
Error cut_short(Side side) {
  return side == Side::downstream ? make_error(ErrorCode::bad_request, Origin::downstream, "body cut short")
                                  : gone(side);
}

Error cancelled(Side side, const Socket& socket) { return socket.cancelled() ? socket.cancel_error() : gone(side); }

}  // namespace

Error wait_error(Side side, Wait wait, const Socket& socket) {
  return wait == Wait::timed_out ? timed_out(side) : cancelled(side, socket);
}

Error send_error(Side side, SendStatus status, const Socket& socket) {
  switch (status) {
    case SendStatus::timed_out: return timed_out(side);
    case SendStatus::cancelled: return cancelled(side, socket);
    case SendStatus::sent:
    case SendStatus::closed: break;
  }
  return gone(side);
}

void BodyStream::begin(Socket& socket, http::Framing framing, std::string_view buffered, nanoseconds progress,
                       std::uint64_t max_bytes) {
  socket_ = &socket;
  framing_ = framing;
  buffered_ = buffered;
  progress_ = progress;
  max_bytes_ = max_bytes;
  least_rate_ = 0;
  rewind();
}

void BodyStream::require_rate(std::uint32_t bytes_per_second, nanoseconds grace) {
  least_rate_ = bytes_per_second;
  grace_ = grace;
}

void BodyStream::rewind() {
  chunks_.reset();
  pending_ = buffered_;
  left_ = framing_.length;
  octets_ = 0;
  waited_ = nanoseconds(0);
  ended_ = !framing_.has_body() || (framing_.kind == http::Framing::Kind::length && left_ == 0);
  filled_ = false;
  stream_closed_ = false;
  failed_.reset();
}

Result<BodyStream::Piece> BodyStream::next() {
  if (ended_) return Piece{.data = {}, .end = true};
  if (failed_) return std::unexpected(*failed_);
  auto piece = decode();
  if (!piece) {
    failed_ = piece.error();
    ended_ = false;
  }
  return piece;
}

Result<BodyStream::Piece> BodyStream::decode() {
  return framing_.kind == http::Framing::Kind::chunked ? next_chunked() : next_counted();
}

Result<void> BodyStream::count(std::size_t octets) {
  octets_ += octets;
  if (octets_ <= max_bytes_) return {};
  return fail(ErrorCode::body_too_large, Origin::downstream, "body limit");
}

Result<BodyStream::Piece> BodyStream::next_chunked() {
  auto step = chunks_.next(pending_);
  if (!step) {
    if (side_ == Side::downstream) return std::unexpected(step.error());
    return fail(ErrorCode::upstream_invalid, Origin::upstream, step.error().reason);
  }
  pending_.remove_prefix(step->consumed);
  ended_ = step->done;
  TRY_VOID(count(step->data.size()));
  if (step->data.empty() && !ended_ && stream_closed_) return std::unexpected(cut_short(side_));
  return Piece{.data = step->data, .end = ended_};
}

Result<BodyStream::Piece> BodyStream::next_counted() {
  std::string_view data = pending_;
  if (framing_.kind == http::Framing::Kind::length) {
    data = data.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, data.size())));
    left_ -= data.size();
    ended_ = left_ == 0;
  } else {
    ended_ = stream_closed_;
  }
  pending_.remove_prefix(data.size());
  TRY_VOID(count(data.size()));
  if (data.empty() && !ended_ && stream_closed_) return std::unexpected(cut_short(side_));
  return Piece{.data = data, .end = ended_};
}

// Large windows halve the cost of bulk transfers; small bodies need not touch 64 KiB.
std::size_t BodyStream::window_bytes() const {
  bool small = framing_.kind == http::Framing::Kind::length && left_ <= kSmallBufferBytes;
  return small ? kSmallBufferBytes : kLargeBufferBytes;
}

MonotonicTime BodyStream::fill_deadline() const {
  MonotonicTime now = reactor_.now();
  if (least_rate_ == 0) return now + progress_;
  // To the millisecond: in whole seconds a client at four times the rate is cut in its first one. The cap (30 years)
  // keeps a huge body at a tiny rate from overflowing.
  std::uint64_t earned = std::min<std::uint64_t>(octets_ * 1000 / least_rate_, 1'000'000'000'000);
  nanoseconds allowed = grace_ + milliseconds(earned);
  return now + std::clamp(allowed - waited_, nanoseconds(0), progress_);
}

Task<Result<void>> BodyStream::fill() {
  filled_ = true;
  while (true) {
    // Who waits holds no buffer: a silent stream costs little, and the busy ones share what is warm in the caches.
    window_.release();
    MonotonicTime began = reactor_.now();
    auto wait = co_await socket_->readable(fill_deadline());
    waited_ += reactor_.now() - began;
    if (wait != Wait::ready) co_return std::unexpected(wait_error(side_, wait, *socket_));
    // Past the end, too: only a read that does not fill its room tells that there is no more, and a connection that
    // may hold more is not reused.
    window_ = reactor_.buffers().take(window_bytes());
    IoResult result = socket_->try_receive({window_.data(), window_.capacity()});
    if (result.status == IoStatus::would_block) continue;
    if (result.status == IoStatus::reset) co_return std::unexpected(gone(side_));
    if (result.status == IoStatus::closed) stream_closed_ = true;
    pending_ = {window_.data(), result.bytes};
    co_return Result<void>{};
  }
}

void BodySink::begin(Kind kind, http::HeadWriter* head) {
  kind_ = kind;
  head_ = head;
  count_ = 0;
  bytes_ = 0;
}

void BodySink::add(std::string_view piece) {
  if (piece.empty()) return;
  pieces_[count_++] = piece;
  bytes_ += piece.size();
}

std::span<iovec> BodySink::take(bool end) {
  if (head_ != nullptr && bytes_ <= kCopyBytes && head_->room() >= bytes_ + 32) return take_copied(end);
  std::size_t used = 0;
  auto part = [&](std::string_view text) {
    if (!text.empty()) parts_[used++] = iovec{const_cast<char*>(text.data()), text.size()};
  };
  if (head_ != nullptr) part(head_->view());
  bool chunked = kind_ == Kind::chunked;
  if (chunked && bytes_ > 0) part({size_line_.data(), http::write_chunk_size(size_line_.data(), bytes_)});
  for (std::size_t i = 0; i < count_; ++i) part(pieces_[i]);
  if (chunked && bytes_ > 0) part(end ? std::string_view("\r\n0\r\n\r\n") : std::string_view("\r\n"));
  if (chunked && bytes_ == 0 && end) part(http::kLastChunk);
  head_ = nullptr;
  count_ = 0;
  bytes_ = 0;
  return std::span(parts_).first(used);
}

std::span<iovec> BodySink::take_copied(bool end) {
  bool chunked = kind_ == Kind::chunked;
  if (chunked && bytes_ > 0) {
    head_->text(std::string_view(size_line_.data(), http::write_chunk_size(size_line_.data(), bytes_)));
  }
  for (std::size_t i = 0; i < count_; ++i) head_->text(pieces_[i]);
  if (chunked && bytes_ > 0) head_->text("\r\n");
  if (chunked && end) head_->text(http::kLastChunk);
  std::string_view all = head_->view();
  parts_[0] = iovec{const_cast<char*>(all.data()), all.size()};
  head_ = nullptr;
  count_ = 0;
  bytes_ = 0;
  return std::span(parts_).first(1);
}

Result<Gathered> gather(BodyStream& from, BodySink& sink) {
  if (from.ended()) return Gathered{.end = true, .starved = true};  // most requests
  Gathered gathered;
  while (!sink.full() && !gathered.end && !gathered.starved) {
    TRY(piece, from.next());
    sink.add(piece.data);
    gathered = {.end = piece.end, .starved = piece.data.empty()};
  }
  return gathered;
}

Task<PumpResult> pump(BodyStream& from, BodySink& sink, PumpTarget& target, Outgoing outgoing) {
  Side source = target.side == Side::downstream ? Side::upstream : Side::downstream;
  while (true) {
    if (!outgoing.parts.empty()) {
      target.sending = true;
      auto sent = co_await send_all(target.reactor, target.socket, outgoing.parts, target.progress);
      target.sending = false;
      if (sent.status != SendStatus::sent) {
        co_return PumpResult{send_error(target.side, sent.status, target.socket), target.side};
      }
    }
    if (outgoing.gathered.end) co_return PumpResult{};
    if (outgoing.gathered.starved) {
      auto filled = co_await from.fill();
      if (!filled) co_return PumpResult{filled.error(), source};
    }
    auto next = gather(from, sink);
    if (!next) co_return PumpResult{next.error(), source};
    outgoing = {sink.take(next->end), *next};
    send_now(target.socket, outgoing.parts);  // the usual case without a coroutine; what is left is seen above
  }
}

}  // namespace lotagate
