#include "access/circuit_breaker.h"

#include <algorithm>

namespace lotagate::access {
namespace {

// SplitMix64: spreads the pauses, decides nothing that anybody could gain from guessing.
std::uint64_t mixed(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

// Three quarters of `most`, and a part of the last one that `now` decides: no two gateways see a service die in the
// same nanosecond, and a simulation stays repeatable.
nanoseconds shortened(nanoseconds most, MonotonicTime now) {
  auto random = mixed(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  return most - nanoseconds(static_cast<std::int64_t>(random % static_cast<std::uint64_t>(most.count() / 4 + 1)));
}

}  // namespace

std::optional<CircuitBreaker::Permit> CircuitBreaker::begin(MonotonicTime now) {
  auto refuse = [this] {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  };
  if (now < refuse_until_.load(std::memory_order_relaxed)) return refuse();
  std::lock_guard lock(mutex_);
  if (state_ == State::closed) return Permit{period_};
  if (now < refuse_until_.load(std::memory_order_relaxed)) return refuse();  // somebody else is the probe
  state_ = State::half_open;
  refuse_until_.store(MonotonicTime::max(), std::memory_order_relaxed);
  ++probes_;
  return Permit{++period_};
}

void CircuitBreaker::succeeded(Permit permit) {
  std::lock_guard lock(mutex_);
  if (permit.period != period_) return;
  failures_ = 0;
  if (state_ == State::closed) return;
  state_ = State::closed;
  ++period_;
  pause_ = milliseconds(0);
  refuse_until_.store(MonotonicTime::min(), std::memory_order_relaxed);
}

void CircuitBreaker::failed(Permit permit, MonotonicTime now) {
  std::lock_guard lock(mutex_);
  if (permit.period != period_) return;
  if (state_ == State::closed && ++failures_ < settings_.failures) return;
  open(now);
}

void CircuitBreaker::abandoned(Permit permit) {
  std::lock_guard lock(mutex_);
  if (permit.period != period_ || state_ != State::half_open) return;
  state_ = State::open;
  ++period_;
  refuse_until_.store(MonotonicTime::min(), std::memory_order_relaxed);  // the next call is the probe
}

void CircuitBreaker::hint() {
  std::lock_guard lock(mutex_);
  if (state_ == State::open) refuse_until_.store(MonotonicTime::min(), std::memory_order_relaxed);
}

void CircuitBreaker::open(MonotonicTime now) {
  if (state_ == State::closed) ++opened_;
  pause_ = pause_ == milliseconds(0) ? settings_.first_pause : std::min(pause_ * 2, settings_.last_pause);
  state_ = State::open;
  failures_ = 0;
  ++period_;
  refuse_until_.store(now + shortened(pause_, now), std::memory_order_relaxed);
}

CircuitBreakerStats CircuitBreaker::stats() const {
  std::lock_guard lock(mutex_);
  return {.state = state_, .opened = opened_, .probes = probes_, .refused = refused_.load(std::memory_order_relaxed)};
}

}  // namespace lotagate::access
