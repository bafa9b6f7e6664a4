// A request's wait for a place under a concurrency limit.
#pragma once

#include <memory>
#include <optional>

#include "base/error.h"
#include "limit/concurrency.h"
#include "runtime/event.h"
#include "runtime/timer_wheel.h"

namespace lotagate {

class Worker;

// Ends with a place, or without one: displaced by another, at its deadline, or when it is cut. What stands in the queue
// is not this but a ticket of it, which outlives it if need be: the notice may be on its way from another thread. For
// one wait, on the worker's thread.
class PlaceWait {
 public:
  PlaceWait(Worker& worker, std::uint64_t who, limit::Priority priority);
  ~PlaceWait();
  PlaceWait(const PlaceWait&) = delete;
  PlaceWait& operator=(const PlaceWait&) = delete;

  // To be queued, at most once. If it was, begin() follows in the same turn; otherwise nothing does.
  limit::PlaceWaiter& waiter();
  // To be awaited: suspends until the end.
  OneShotEvent::Awaiter begin(MonotonicTime deadline);
  // Leaves the queue at once; a place that was granted meanwhile goes back.
  void cut(const Error& error);

  enum class End : std::uint8_t { granted, displaced, too_late, cut };
  // Once it has ended.
  End end() const { return end_; }
  const limit::PlaceTable::Place& place() const { return place_; }  // granted: held
  seconds retry_after() const { return retry_after_; }              // displaced, too late
  const Error& error() const { return *error_; }                    // cut

 private:
  struct Ticket;
  struct Alarm {
    explicit Alarm(PlaceWait& w) : timer(fire), wait(w) {}
    static void fire(Timer& timer);
    Timer timer;  // first member: the timer's address is the alarm's
    PlaceWait& wait;
  };
  // True if a place had been granted, which place_ holds now.
  bool leave();
  void end_with(End end);

  Worker& worker_;
  OneShotEvent ended_;
  std::unique_ptr<Ticket> unused_;  // not queued
  Ticket* queued_ = nullptr;        // owned by the notice that may come
  End end_ = End::cut;
  limit::PlaceTable::Place place_;
  seconds retry_after_{0};
  std::optional<Error> error_;
  Alarm alarm_;
};

}  // namespace lotagate
