#include "gateway/lookup_wait.h"

#include "gateway/worker.h"

namespace lotagate {

// Written on the worker's thread alone. The worker waits for it before it ends.
struct LookupWait::Ticket final : access::DirectoryWaiter {
  explicit Ticket(LookupWait& w) : worker(w.worker_), wait(&w) {
    // From any thread, and through the mailbox even from this one: who waits is resumed by its loop and by nobody else.
    notify = [](access::DirectoryWaiter* base) noexcept {
      auto* self = static_cast<Ticket*>(base);
      self->worker.reactor().post_remote([self] { std::unique_ptr<Ticket>(self)->tell(); });
    };
  }

  void tell() {
    worker.notice_came();
    if (wait == nullptr) return;
    wait->queued_ = nullptr;
    wait->ended_.set();
  }

  Worker& worker;
  LookupWait* wait;  // null once that has ended without it
};

LookupWait::LookupWait(Worker& worker)
    : worker_(worker), ended_(worker.reactor()), unused_(std::make_unique<Ticket>(*this)), alarm_(*this) {}

LookupWait::~LookupWait() {
  if (queued_ != nullptr) queued_->wait = nullptr;
}

access::DirectoryWaiter& LookupWait::waiter() { return *unused_; }

OneShotEvent::Awaiter LookupWait::begin(MonotonicTime deadline, const Error& too_late) {
  queued_ = unused_.release();
  worker_.expect_notice();
  too_late_ = too_late;
  worker_.reactor().timers().arm(alarm_.timer, deadline);
  return ended_.wait();
}

void LookupWait::cut(const Error& error) {
  if (ended_.is_set()) return;
  error_ = error;
  ended_.set();
}

void LookupWait::Alarm::fire(Timer& timer) {
  auto& wait = reinterpret_cast<Alarm&>(timer).wait;
  wait.cut(wait.too_late_);
}

}  // namespace lotagate
