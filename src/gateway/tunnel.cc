#include "gateway/tunnel.h"

#include <algorithm>

namespace lotagate {

Tunnel::Tunnel(Reactor& reactor, Socket& downstream, Socket& upstream, const Times& times)
    : reactor_(reactor),
      in_{downstream, Side::downstream, upstream, Side::upstream, times.upstream_progress},
      out_{upstream, Side::upstream, downstream, Side::downstream, times.downstream_progress},
      idle_(times.idle),
      last_byte_(reactor.now()),
      in_done_(reactor),
      end_error_(times.end_error),
      alarm_(*this) {
  reactor.timers().arm(alarm_.timer, times.end);
}

void Tunnel::Alarm::fire(Timer& timer) {
  Tunnel& tunnel = reinterpret_cast<Alarm&>(timer).tunnel;
  tunnel.fail(tunnel.end_error_, false);
}

Task<std::optional<Error>> Tunnel::run(std::string_view from_client, std::string_view from_service) {
  auto outward = relay(out_, from_service);  // both frames exist before either runs
  spawn(*this, relay_in(from_client));
  co_await outward;
  co_await in_done_.wait();
  co_return error_;
}

Task<void> Tunnel::relay_in(std::string_view first) {
  co_await relay(in_, first);
  in_done_.set();
}

Task<void> Tunnel::relay(Direction& direction, std::string_view first) {
  try {
    co_await copy(direction, first);
  } catch (...) {
    fail(Error{.code = ErrorCode::internal, .reason = "exception in a tunnel"}, true);
  }
}

Task<void> Tunnel::copy(Direction& direction, std::string_view first) {
  if (!first.empty()) {
    bool sent = co_await send(direction, first);
    if (!sent) co_return;
  }
  while (true) {
    Buffer buffer;
    std::size_t bytes = 0;
    bool received = co_await receive(direction, buffer, bytes);
    if (!received) co_return;
    std::string_view data(buffer.data(), bytes);
    bool sent = co_await send(direction, data);
    if (!sent) co_return;
  }
}

// False at the end of the direction. The buffer is taken when there is something to read, not before.
Task<bool> Tunnel::receive(Direction& direction, Buffer& buffer, std::size_t& bytes) {
  while (true) {
    auto wait = co_await direction.from.readable(idle_deadline());
    if (wait == Wait::timed_out && reactor_.now() < idle_deadline()) continue;  // the other direction was busy
    if (wait == Wait::timed_out) {
      // A peer that ignores the end of the other side is no failure.
      if (in_.ended || out_.ended) {
        end(direction);
      } else {
        fail(Error{.code = ErrorCode::request_timeout, .origin = Origin::downstream, .reason = "idle"}, false);
      }
      co_return false;
    }
    if (wait == Wait::cancelled) {
      fail(wait_error(direction.from_side, wait, direction.from), false);
      co_return false;
    }
    if (!buffer) buffer = reactor_.buffers().take(kLargeBufferBytes);
    IoResult result = direction.from.try_receive({buffer.data(), buffer.capacity()});
    if (result.status == IoStatus::would_block) continue;
    if (result.status == IoStatus::closed) {
      end(direction);
      co_return false;
    }
    if (result.status == IoStatus::reset) {
      fail(send_error(direction.from_side, SendStatus::closed, direction.from), true);
      co_return false;
    }
    last_byte_ = reactor_.now();
    direction.bytes += result.bytes;
    bytes = result.bytes;
    co_return true;
  }
}

Task<bool> Tunnel::send(Direction& direction, std::string_view bytes) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  std::span<iovec> parts(&part, 1);
  if (!send_now(direction.to, parts)) {
    auto sent = co_await send_all(reactor_, direction.to, parts, direction.progress);
    if (sent.status != SendStatus::sent) {
      fail(send_error(direction.to_side, sent.status, direction.to), sent.status == SendStatus::closed);
      co_return false;
    }
  }
  last_byte_ = reactor_.now();
  co_return true;
}

// The sender has ended its side: the receiver hears of it, and gets little time for what it still has to say.
void Tunnel::end(Direction& direction) {
  direction.ended = true;
  direction.to.shutdown_write();
  Direction& other = &direction == &in_ ? out_ : in_;
  if (!other.ended) other.from.move_read_deadline(idle_deadline());
}

// Ends both directions. The first error is the one that counts.
void Tunnel::fail(const Error& error, bool reset) {
  if (!error_) {
    error_ = error;
    if (reset) {
      in_.from.abort_on_close();
      out_.from.abort_on_close();
    }
  }
  in_.from.cancel(error);
  out_.from.cancel(error);
}

MonotonicTime Tunnel::idle_deadline() const {
  nanoseconds allowed = in_.ended || out_.ended ? std::min<nanoseconds>(idle_, kCloseGrace) : idle_;
  return last_byte_ + allowed;
}

}  // namespace lotagate
