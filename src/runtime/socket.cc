#include "runtime/socket.h"

#include "base/check.h"
#include "runtime/reactor.h"

namespace lotagate {

Socket::Socket(Reactor& reactor, SocketHandle handle)
    : reactor_(reactor),
      handle_(handle),
      token_(reactor.add(*this)),
      read_(on_deadline, *this),
      write_(on_deadline, *this) {
  reactor_.backend().watch(handle_, token_);
}

Socket::~Socket() {
  LG_CHECK(!read_.coroutine && !write_.coroutine, "a socket is destroyed while something waits for it");
  reactor_.remove(token_);
  reactor_.backend().close(handle_, abort_);
}

Socket::Readiness Socket::readable(MonotonicTime deadline) { return Readiness(*this, read_, readable_, deadline); }

Socket::Readiness Socket::writable(MonotonicTime deadline) { return Readiness(*this, write_, writable_, deadline); }

IoResult Socket::try_receive(std::span<char> into) {
  IoResult result = reactor_.backend().receive(handle_, into);
  // After a short read the next byte makes an edge. A FIN seen before made its edge already: keep reading to the end.
  bool drained = result.status == IoStatus::would_block ||
                 (result.status == IoStatus::ok && result.bytes < into.size() && !peer_closed_);
  if (drained) readable_ = false;
  return result;
}

IoResult Socket::try_send(std::span<const iovec> parts) {
  IoResult result = reactor_.backend().send(handle_, parts);
  if (result.status == IoStatus::would_block) writable_ = false;
  return result;
}

void Socket::cancel(const Error& error) {
  if (cancelled_) return;
  cancelled_ = error;
  complete(read_, Wait::cancelled);
  complete(write_, Wait::cancelled);
}

void Socket::set_hangup_listener(HangupListener* listener) {
  hangup_listener_ = listener;
  if (listener != nullptr && (peer_closed_ || failed_)) listener->on_hangup(failed_);
}

void Socket::move_read_deadline(MonotonicTime deadline) {
  if (read_.coroutine) reactor_.timers().arm(read_.timer, deadline);
}

void Socket::shutdown_write() { reactor_.backend().shutdown_write(handle_); }

void Socket::on_deadline(Timer& timer) {
  auto& waiter = reinterpret_cast<Waiter&>(timer);
  waiter.socket.complete(waiter, Wait::timed_out);
}

void Socket::on_event(const Event& event) {
  bool hangup_is_news = (event.peer_closed && !peer_closed_) || (event.failed && !failed_);
  readable_ |= event.readable;
  writable_ |= event.writable;
  peer_closed_ |= event.peer_closed;
  failed_ |= event.failed;
  if (hangup_is_news && hangup_listener_ != nullptr) hangup_listener_->on_hangup(failed_);
  // Completion only queues the coroutine, so `this` is still alive for the second direction.
  if (event.readable) complete(read_, Wait::ready);
  if (event.writable) complete(write_, Wait::ready);
}

void Socket::complete(Waiter& waiter, Wait outcome) {
  if (!waiter.coroutine) return;
  waiter.outcome = outcome;
  reactor_.timers().disarm(waiter.timer);
  reactor_.post(std::exchange(waiter.coroutine, nullptr));
}

bool Socket::Readiness::await_ready() noexcept {
  LG_CHECK(!waiter_.coroutine, "two coroutines wait for one direction of a socket");
  if (socket_.cancelled_) {
    waiter_.outcome = Wait::cancelled;
    return true;
  }
  waiter_.outcome = Wait::ready;
  return flag_ && socket_.reactor_.take_budget();
}

void Socket::Readiness::await_suspend(std::coroutine_handle<> coroutine) noexcept {
  if (flag_) {  // ready, but the turn's budget is spent
    socket_.reactor_.post(coroutine);
    return;
  }
  waiter_.coroutine = coroutine;
  socket_.reactor_.timers().arm(waiter_.timer, deadline_);
}

std::span<iovec> consume(std::span<iovec> parts, std::size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (bytes > 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }
  return parts;
}

bool send_now(Socket& socket, std::span<iovec>& parts) {
  if (parts.empty()) return true;
  if (socket.cancelled()) return false;
  IoResult sent = socket.try_send(parts);
  if (sent.status != IoStatus::ok) return false;
  parts = consume(parts, sent.bytes);
  return parts.empty();
}

Task<SendResult> send_all(Reactor& reactor, Socket& socket, std::span<iovec> parts, nanoseconds progress) {
  std::size_t total = 0;
  while (true) {
    parts = consume(parts, 0);
    if (parts.empty()) co_return SendResult{SendStatus::sent, total};
    if (socket.cancelled()) co_return SendResult{SendStatus::cancelled, total};
    IoResult sent = socket.try_send(parts);
    if (sent.status == IoStatus::ok) {
      parts = consume(parts, sent.bytes);
      total += sent.bytes;
      continue;
    }
    if (sent.status != IoStatus::would_block) co_return SendResult{SendStatus::closed, total};
    auto wait = co_await socket.writable(reactor.now() + progress);
    if (wait == Wait::timed_out) co_return SendResult{SendStatus::timed_out, total};
  }
}

}  // namespace lotagate
