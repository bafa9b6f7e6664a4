// A non-blocking stream socket with awaitable readiness. Edges are remembered as flags, so nothing is received on
// speculation: a read is tried only after an edge, or after a read that filled its buffer.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <span>

#include "base/error.h"
#include "runtime/backend.h"
#include "runtime/task.h"
#include "runtime/timer_wheel.h"

namespace lotagate {

class Reactor;

// How a wait ended. `cancelled`: Socket::cancel_error() says why.
enum class Wait : std::uint8_t { ready, timed_out, cancelled };

// How sending came out; `closed`: the peer is gone.
enum class SendStatus : std::uint8_t { sent, timed_out, cancelled, closed };
struct SendResult {
  SendStatus status;
  std::size_t bytes = 0;  // handed to the kernel, also when it failed later
};

// Told when a socket's peer goes away while nobody reads from it. Called on the worker's thread.
class HangupListener {
 public:
  // `reset`: both directions are over. Otherwise the peer only ended its sending side.
  virtual void on_hangup(bool reset) = 0;

 protected:
  ~HangupListener() = default;
};

class Socket {
 public:
  // Takes over `handle` and closes it in the end.
  Socket(Reactor& reactor, SocketHandle handle);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  class Readiness;
  // Suspends until the direction may progress. One waiter per direction. The deadline is absolute; kNever waits for
  // ever.
  Readiness readable(MonotonicTime deadline);
  Readiness writable(MonotonicTime deadline);

  IoResult try_receive(std::span<char> into);
  IoResult try_send(std::span<const iovec> parts);

  // Completes what waits now and everything that will wait with `error`.
  void cancel(const Error& error);
  bool cancelled() const { return cancelled_.has_value(); }
  const Error& cancel_error() const { return *cancelled_; }

  // Ends the wait of the reader that waits now, if one does, with Wait::cancelled; later waits are not affected.
  void interrupt_reader() { complete(read_, Wait::cancelled); }

  // At most one; null removes it. A hangup seen earlier is reported at once.
  void set_hangup_listener(HangupListener* listener);

  // Moves the deadline of the reader that waits now, if one does.
  void move_read_deadline(MonotonicTime deadline);

  void shutdown_write();
  // A connect is under way: writable only after its edge.
  void expect_connect() { writable_ = false; }
  // The peer will see a reset when the socket is destroyed.
  void abort_on_close() { abort_ = true; }
  bool aborts_on_close() const { return abort_; }

  // The caller took everything by other means than try_receive(): wait for the next edge.
  void nothing_to_read() { readable_ = false; }

  bool maybe_readable() const { return readable_; }
  bool peer_closed() const { return peer_closed_; }
  bool failed() const { return failed_; }
  SocketHandle handle() const { return handle_; }
  Reactor& reactor() { return reactor_; }

 private:
  friend class Reactor;
  struct Waiter {
    explicit Waiter(Timer::Fire fire, Socket& owner) : timer(fire), socket(owner) {}
    Timer timer;  // first member: the timer's address is the waiter's
    Socket& socket;
    std::coroutine_handle<> coroutine;
    Wait outcome = Wait::ready;
  };

  static void on_deadline(Timer& timer);
  void on_event(const Event& event);
  void complete(Waiter& waiter, Wait outcome);

  Reactor& reactor_;
  SocketHandle handle_;
  std::uint64_t token_;
  bool readable_ = false;
  bool writable_ = true;
  bool peer_closed_ = false;
  bool failed_ = false;
  bool abort_ = false;
  HangupListener* hangup_listener_ = nullptr;
  std::optional<Error> cancelled_;
  Waiter read_;
  Waiter write_;
};

class [[nodiscard]] Socket::Readiness {
 public:
  Readiness(Socket& socket, Waiter& waiter, bool& flag, MonotonicTime deadline)
      : socket_(socket), waiter_(waiter), flag_(flag), deadline_(deadline) {}
  bool await_ready() noexcept;
  void await_suspend(std::coroutine_handle<> coroutine) noexcept;
  Wait await_resume() noexcept { return waiter_.outcome; }

 private:
  Socket& socket_;
  Waiter& waiter_;
  bool& flag_;
  MonotonicTime deadline_;
};

// Sends all of `parts` (consumed in place), waiting at most `progress` between two steps forward.
Task<SendResult> send_all(Reactor& reactor, Socket& socket, std::span<iovec> parts, nanoseconds progress);

// The usual case without a coroutine: sends at once what fits. True if that was everything; otherwise `parts` is what
// is left for send_all(), which also finds out about errors.
bool send_now(Socket& socket, std::span<iovec>& parts);

// Drops the first `bytes` bytes of `parts`; returns what is left.
std::span<iovec> consume(std::span<iovec> parts, std::size_t bytes);

}  // namespace lotagate
