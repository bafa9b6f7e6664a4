#include "gateway/concurrency_check.h"

#include "base/hash.h"
#include "gateway/worker.h"

namespace lotagate {
namespace {

// Whose turn it is in every queue: the user, or the address of who has none. Nobody can aim for somebody else.
std::uint64_t who_asks(const LimitQuestion& question) {
  const config::CompiledKeyPart user{.kind = config::LimitKeyPart::Kind::user, .name = {}, .from_anyone = false};
  return BucketName(std::span(&user, 1), question).key(process_hash_seed());
}

}  // namespace

// After an exception nothing else gives them back.
ConcurrencyCheck::~ConcurrencyCheck() { release(); }

FramePool& ConcurrencyCheck::frames() { return worker_.frames(); }

void ConcurrencyCheck::reset() {
  next_ = 0;
  waited_.reset();
  retry_after_.reset();
  violated_ = {};
}

limit::PlaceRequest ConcurrencyCheck::request_of(const config::CompiledConcurrency& limit,
                                                 const LimitQuestion& question) const {
  return {
      .limit = *limit.places, .key = BucketName(limit.key, question).key(limit.seed), .now = worker_.reactor().now()};
}

void ConcurrencyCheck::hold(const limit::PlaceTable::Place& place, const config::CompiledConcurrency& limit) {
  held_.push_back({place, limit.places->number()});
  ConcurrencyCounters& counters = worker_.concurrency_counters(limit.places->number());
  counters.in_flight.add();
  counters.admitted.add();
}

std::optional<Result<void>> ConcurrencyCheck::take(const LimitQuestion& question) {
  const auto& limits = question.route.concurrency;
  held_.reserve(limits.size());  // a place that is held must not be lost
  for (; next_ < limits.size(); ++next_) {
    const config::CompiledConcurrency& limit = *limits[next_];
    limit::PlaceRequest request = request_of(limit, question);
    if (limit.rule.report_only) {
      bool over = false;
      hold(worker_.shared().places.acquire_anyway(request, over), limit);
      if (over) worker_.concurrency_counters(limit.places->number()).would_refuse.add();
      continue;
    }
    auto answer = worker_.shared().places.acquire(request, nullptr);
    if (answer.outcome == limit::PlaceTable::Outcome::granted) {
      hold(answer.place, limit);
    } else if (limit.rule.queue > 0) {
      return std::nullopt;
    } else {
      return refuse(limit, Refusal::full, answer.retry_after);
    }
  }
  return Result<void>{};
}

Task<Result<void>> ConcurrencyCheck::wait(LimitQuestion question) {
  std::optional<Result<void>> decision;
  while (!decision) {
    auto granted = co_await wait_for(*question.route.concurrency[next_], question);
    if (!granted) co_return granted;
    ++next_;
    decision = take(question);
  }
  co_return *decision;
}

Task<Result<void>> ConcurrencyCheck::wait_for(const config::CompiledConcurrency& limit, const LimitQuestion& question) {
  PlaceWait wait(worker_, who_asks(question), question.route.priority);
  auto answer = worker_.shared().places.acquire(request_of(limit, question), &wait.waiter());
  if (answer.outcome == limit::PlaceTable::Outcome::granted) {
    hold(answer.place, limit);
    co_return Result<void>{};
  }
  if (answer.outcome == limit::PlaceTable::Outcome::full) co_return refuse(limit, Refusal::full, answer.retry_after);

  ConcurrencyCounters& counters = worker_.concurrency_counters(limit.places->number());
  counters.waiting.add();
  MonotonicTime began = worker_.reactor().now();
  wait_ = &wait;
  co_await wait.begin(began + limit.rule.wait);
  wait_ = nullptr;
  counters.waiting.sub();
  nanoseconds waited = worker_.reactor().now() - began;
  counters.waits.record(waited);
  waited_ = waited_.value_or(nanoseconds(0)) + waited;
  switch (wait.end()) {
    case PlaceWait::End::granted: hold(wait.place(), limit); co_return Result<void>{};
    case PlaceWait::End::displaced: co_return refuse(limit, Refusal::full, wait.retry_after());
    case PlaceWait::End::too_late: co_return refuse(limit, Refusal::too_late, wait.retry_after());
    case PlaceWait::End::cut: break;
  }
  co_return std::unexpected(wait.error());
}

Result<void> ConcurrencyCheck::refuse(const config::CompiledConcurrency& limit, Refusal refusal, seconds retry_after) {
  ConcurrencyCounters& counters = worker_.concurrency_counters(limit.places->number());
  bool full = refusal == Refusal::full;
  (full ? counters.full : counters.too_late).add();
  retry_after_ = retry_after;
  violated_ = limit.rule.name;
  std::string_view reason =
      arena_.concat({limit.rule.name, full ? ": no place and no room to wait" : ": waited too long"});
  if (limit.is_shared) return fail(ErrorCode::overloaded, Origin::internal, reason);
  return fail(ErrorCode::concurrency_limited, Origin::downstream, reason);
}

void ConcurrencyCheck::cut(const Error& error) {
  if (wait_ != nullptr) wait_->cut(error);
}

void ConcurrencyCheck::release() {
  if (held_.empty()) return;
  MonotonicTime now = worker_.reactor().now();
  // Backwards: the shared ones, which others wait for most, first.
  while (!held_.empty()) {
    worker_.concurrency_counters(held_.back().number).in_flight.sub();
    worker_.shared().places.release(held_.back().place, now);
    held_.pop_back();
  }
}

}  // namespace lotagate
