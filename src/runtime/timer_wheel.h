// Deadlines of a worker: a hashed wheel with lazy timers. Moving a deadline later only stores it, so that a connection
// which renews its deadline on every read costs nothing; the timer moves when its old slot comes round.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/clock.h"

namespace lotagate {

class TimerWheel;

// One deadline, embedded in whatever waits. Unlinks itself when destroyed.
class Timer {
 public:
  using Fire = void (*)(Timer&);
  explicit Timer(Fire fire) : fire_(fire) {}
  ~Timer() { unlink(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  MonotonicTime deadline() const { return deadline_; }

 private:
  friend class TimerWheel;
  bool linked() const { return wheel_ != nullptr; }
  void unlink() noexcept;

  Fire fire_;
  MonotonicTime deadline_ = kNever;
  TimerWheel* wheel_ = nullptr;
  Timer* next_ = nullptr;
  Timer** previous_ = nullptr;  // the pointer that points here
  std::uint64_t tick_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(MonotonicTime now);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Fires `timer` once, at or up to one tick (8.4 ms) after `deadline`. kNever disarms.
  void arm(Timer& timer, MonotonicTime deadline);
  void disarm(Timer& timer) { timer.deadline_ = kNever; }
  // Fires what is due. A callback may arm and destroy any timer.
  void advance(MonotonicTime now);
  // No timer is due before this time; kNever when none is armed.
  MonotonicTime next_due() const;

 private:
  friend class Timer;
  static constexpr unsigned kTickShift = 23;   // 2^23 ns = 8.4 ms: finer than any deadline needs
  static constexpr std::size_t kSlots = 8192;  // one round is 68.7 s; later deadlines are moved on each round

  static std::uint64_t tick_of(MonotonicTime time);
  void link(Timer& timer, std::uint64_t tick);
  void fire_slot(std::size_t slot, MonotonicTime now);

  std::uint64_t current_tick_;
  std::unique_ptr<std::array<Timer*, kSlots>> slots_;
  std::array<std::uint64_t, kSlots / 64> occupied_{};
};

}  // namespace lotagate
