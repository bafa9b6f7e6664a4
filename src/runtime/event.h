// A flag one coroutine waits for and another sets, both on one worker. Set once; waiting after that does not suspend.
#pragma once

#include <coroutine>
#include <utility>

#include "base/check.h"
#include "runtime/reactor.h"

namespace lotagate {

class OneShotEvent {
 public:
  explicit OneShotEvent(Reactor& reactor) : reactor_(reactor) {}
  OneShotEvent(const OneShotEvent&) = delete;
  OneShotEvent& operator=(const OneShotEvent&) = delete;

  void set() {
    set_ = true;
    if (waiter_) reactor_.post(std::exchange(waiter_, nullptr));
  }
  bool is_set() const { return set_; }

  class Awaiter {
   public:
    explicit Awaiter(OneShotEvent& event) : event_(event) {}
    bool await_ready() noexcept { return event_.set_; }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept {
      LG_CHECK(!event_.waiter_, "two coroutines wait for one event");
      event_.waiter_ = coroutine;
    }
    void await_resume() noexcept {}

   private:
    OneShotEvent& event_;
  };
  Awaiter wait() { return Awaiter(*this); }

 private:
  Reactor& reactor_;
  bool set_ = false;
  std::coroutine_handle<> waiter_;
};

// Suspends until the next turn of the loop: what was queued before has run by then.
class NextTurn {
 public:
  explicit NextTurn(Reactor& reactor) : reactor_(reactor) {}
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept { reactor_.post(coroutine); }
  void await_resume() noexcept {}

 private:
  Reactor& reactor_;
};

// Suspends for `delay`.
class Sleep {
 public:
  Sleep(Reactor& reactor, nanoseconds delay) : reactor_(reactor), delay_(delay), alarm_(*this) {}
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    coroutine_ = coroutine;
    reactor_.timers().arm(alarm_.timer, reactor_.now() + delay_);
  }
  void await_resume() noexcept {}

 private:
  struct Alarm {
    explicit Alarm(Sleep& s) : timer(fire), sleep(s) {}
    static void fire(Timer& timer) {
      auto& self = reinterpret_cast<Alarm&>(timer).sleep;
      self.reactor_.post(self.coroutine_);
    }
    Timer timer;  // first member: the timer's address is the alarm's
    Sleep& sleep;
  };
  Reactor& reactor_;
  nanoseconds delay_;
  Alarm alarm_;
  std::coroutine_handle<> coroutine_;
};

}  // namespace lotagate
