#include "gateway/place_wait.h"

#include "gateway/worker.h"

namespace lotagate {

// Whom it belongs to is written on the worker's thread alone. The worker waits for its notice before it ends.
struct PlaceWait::Ticket final : limit::PlaceWaiter {
  Ticket(PlaceWait& w, std::uint64_t who, limit::Priority priority)
      : PlaceWaiter(notify, who, priority), worker(w.worker_), wait(&w) {}

  // From any thread, and through the mailbox even from this one: who waits is resumed by its loop and by nobody else.
  static void notify(limit::PlaceWaiter& base) noexcept {
    auto* self = static_cast<Ticket*>(&base);
    self->worker.reactor().post_remote([self] { std::unique_ptr<Ticket>(self)->tell(); });
  }

  void tell() {
    worker.notice_came();
    if (wait == nullptr) return;
    wait->queued_ = nullptr;
    wait->place_ = place();
    wait->retry_after_ = retry_after();
    wait->end_with(place() ? End::granted : End::displaced);
  }

  Worker& worker;
  PlaceWait* wait;  // null once that has ended without it
};

PlaceWait::PlaceWait(Worker& worker, std::uint64_t who, limit::Priority priority)
    : worker_(worker),
      ended_(worker.reactor()),
      unused_(std::make_unique<Ticket>(*this, who, priority)),
      alarm_(*this) {}

PlaceWait::~PlaceWait() = default;

limit::PlaceWaiter& PlaceWait::waiter() { return *unused_; }

OneShotEvent::Awaiter PlaceWait::begin(MonotonicTime deadline) {
  queued_ = unused_.release();
  worker_.expect_notice();
  worker_.reactor().timers().arm(alarm_.timer, deadline);
  return ended_.wait();
}

void PlaceWait::end_with(End end) {
  end_ = end;
  worker_.reactor().timers().disarm(alarm_.timer);
  ended_.set();
}

bool PlaceWait::leave() {
  auto left = worker_.shared().places.leave(*queued_, worker_.reactor().now());
  if (left.queued) {  // no notice will come
    worker_.notice_came();
    delete queued_;
  } else {
    queued_->wait = nullptr;
  }
  queued_ = nullptr;
  place_ = left.place;
  retry_after_ = left.retry_after;
  return static_cast<bool>(place_);
}

void PlaceWait::cut(const Error& error) {
  if (ended_.is_set()) return;
  if (leave()) worker_.shared().places.release(place_, worker_.reactor().now());
  error_ = error;
  end_with(End::cut);
}

// A place that came at the last moment is taken all the same.
void PlaceWait::Alarm::fire(Timer& timer) {
  auto& wait = reinterpret_cast<Alarm&>(timer).wait;
  if (wait.ended_.is_set()) return;
  wait.end_with(wait.leave() ? End::granted : End::too_late);
}

}  // namespace lotagate
