// A worker's loop: waits on the backend, hands edges to sockets, fires timers, runs mailbox messages, resumes
// coroutines. Owns the worker's pools. One thread; only post_remote() may be called from others.
#pragma once

#include <coroutine>
#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "runtime/backend.h"
#include "runtime/frame_pool.h"
#include "runtime/mailbox.h"
#include "runtime/timer_wheel.h"

namespace lotagate {

class Socket;

class Reactor {
 public:
  // `backend` outlives the reactor.
  explicit Reactor(Backend& backend);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  Backend& backend() { return backend_; }
  FramePool& frames() { return frames_; }
  BufferPool& buffers() { return buffers_; }
  TimerWheel& timers() { return timers_; }

  // Read once per turn: good for deadlines. For measuring read backend().now().
  MonotonicTime now() const { return now_; }
  WallTime wall_now() const { return wall_now_; }

  // Resumes `coroutine` later in this turn.
  void post(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }
  // Any thread: runs `message` on this reactor's thread.
  void post_remote(Mailbox::Message message);

  // One turn: wait (not at all if something is ready), dispatch, fire, resume.
  void turn();

  // Operations that complete at once take from a budget renewed each turn; at its end they queue themselves instead,
  // so that one connection that is always ready cannot starve the others.
  bool take_budget() {
    if (budget_ == 0) return false;
    --budget_;
    return true;
  }

  std::uint64_t turns() const { return turns_; }

 private:
  friend class Socket;
  std::uint64_t add(Socket& socket);
  void remove(std::uint64_t token);
  void dispatch(const Event& event);

  struct Slot {
    Socket* socket = nullptr;
    std::uint32_t generation = 0;  // an event for a closed socket must not reach the slot's next owner
  };
  static constexpr std::size_t kEventsPerTurn = 256;
  static constexpr int kBudgetPerTurn = 1024;

  Backend& backend_;
  FramePool frames_;
  BufferPool buffers_;
  MonotonicTime now_;
  WallTime wall_now_;
  TimerWheel timers_;
  Mailbox mailbox_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> resuming_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<Event> events_;
  int budget_ = kBudgetPerTurn;
  std::uint64_t turns_ = 0;
};

}  // namespace lotagate
