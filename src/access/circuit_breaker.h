// Stops asking a service that does not answer, and notices when it does again. One for the whole process: what one
// worker learned spares all of them the wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/clock.h"

namespace lotagate::access {

struct CircuitBreakerSettings {
  std::uint32_t failures = 5;      // one behind another, without a success between; at least 1
  milliseconds first_pause{1000};  // after they happened; doubles with every probe that fails
  milliseconds last_pause{10000};  // a pause is between three quarters and all of what is said here
};

struct CircuitBreakerStats {
  enum class State : std::uint8_t { closed, half_open, open };
  State state = State::closed;
  std::uint64_t opened = 0;   // times that calls began to be refused
  std::uint64_t probes = 0;   // single calls to see whether the service is back
  std::uint64_t refused = 0;  // calls that were not made
};

// Closed: every call is made. Open: none is, until a pause has passed. Half open: one call, the probe, is under way
// and decides. Any thread; the lock is held for a few instructions, and not taken while calls are refused.
class CircuitBreaker {
 public:
  // Which period of the breaker a call belongs to: how a call of an earlier one ends says nothing any more.
  struct Permit {
    std::uint64_t period = 0;
  };

  explicit CircuitBreaker(CircuitBreakerSettings settings = {}) : settings_(settings) {}
  CircuitBreaker(const CircuitBreaker&) = delete;
  CircuitBreaker& operator=(const CircuitBreaker&) = delete;

  // Nothing: no call may be made now. Otherwise the caller makes one and then reports exactly one of its three ends.
  std::optional<Permit> begin(MonotonicTime now);
  void succeeded(Permit permit);
  void failed(Permit permit, MonotonicTime now);
  // The call was not made, or its end says nothing about the service.
  void abandoned(Permit permit);

  // Something else heard from the service: an open breaker lets its probe go without waiting for the pause's end.
  void hint();

  CircuitBreakerStats stats() const;

 private:
  using State = CircuitBreakerStats::State;
  void open(MonotonicTime now);

  const CircuitBreakerSettings settings_;
  // Before this moment nothing is allowed: MonotonicTime::min() while closed, max() while a probe is under way.
  std::atomic<MonotonicTime> refuse_until_{MonotonicTime::min()};
  std::atomic<std::uint64_t> refused_{0};

  mutable std::mutex mutex_;  // guards the following, and writes of refuse_until_
  State state_ = State::closed;
  std::uint64_t period_ = 0;  // counts changes of the state
  std::uint32_t failures_ = 0;
  milliseconds pause_{0};  // the last one, before jitter
  std::uint64_t opened_ = 0;
  std::uint64_t probes_ = 0;
};

}  // namespace lotagate::access
