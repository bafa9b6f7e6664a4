// A request's wait for a look-up that some worker does.
#pragma once

#include <memory>
#include <optional>

#include "access/role_directory.h"
#include "base/error.h"
#include "runtime/event.h"
#include "runtime/timer_wheel.h"

namespace lotagate {

class Worker;

// Ends with the look-up, or earlier: at its deadline, or when it is cut. What stands in the directory's queue until
// the look-up has ended is not this but a ticket of it, which outlives it if need be: the notice may be on its way from
// another thread. For one wait, on the worker's thread.
class LookupWait {
 public:
  explicit LookupWait(Worker& worker);
  ~LookupWait();
  LookupWait(const LookupWait&) = delete;
  LookupWait& operator=(const LookupWait&) = delete;

  // To be queued in a directory, at most once. If it was, begin() follows in the same turn; otherwise nothing does.
  access::DirectoryWaiter& waiter();
  // To be awaited: suspends until the end.
  OneShotEvent::Awaiter begin(MonotonicTime deadline, const Error& too_late);
  void cut(const Error& error);
  // What ended it in place of the look-up.
  const std::optional<Error>& error() const { return error_; }

 private:
  struct Ticket;
  struct Alarm {
    explicit Alarm(LookupWait& w) : timer(fire), wait(w) {}
    static void fire(Timer& timer);
    Timer timer;  // first member: the timer's address is the alarm's
    LookupWait& wait;
  };

  Worker& worker_;
  OneShotEvent ended_;
  std::unique_ptr<Ticket> unused_;  // not queued
  Ticket* queued_ = nullptr;        // owned by the notice that will come
  Error too_late_;
  std::optional<Error> error_;
  Alarm alarm_;
};

}  // namespace lotagate
