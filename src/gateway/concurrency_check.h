// The places that one request holds under the concurrency limits of its route, and its wait for them. One per exchange;
// reuse allocates nothing in steady state.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/snapshot.h"
#include "gateway/limit_identity.h"
#include "gateway/place_wait.h"
#include "runtime/task.h"

namespace lotagate {

class ConcurrencyCheck {
 public:
  ConcurrencyCheck(Worker& worker, Arena& arena) : worker_(worker), arena_(arena) {}
  ConcurrencyCheck(const ConcurrencyCheck&) = delete;
  ConcurrencyCheck& operator=(const ConcurrencyCheck&) = delete;
  ~ConcurrencyCheck();

  // Forgets the last request.
  void reset();

  // Takes a place of every limit of the route, in their order, as far as that can be had at once. Nothing: the next one
  // has to be awaited. What is held then, and after an error, release() gives back.
  // Errors: overloaded, if everybody shares the limit; otherwise concurrency_limited.
  std::optional<Result<void>> take(const LimitQuestion& question);
  // After take() had nothing to say: waits for the next place, and takes or awaits the others. What the question refers
  // to outlives the wait. Errors: as take(), and what it was cut with.
  Task<Result<void>> wait(LimitQuestion question);
  // Ends the wait, if there is one.
  void cut(const Error& error);
  // Gives all places back; more than once does nothing.
  void release();

  // Of a refusal: when to come back, and the limit. Lives as long as the snapshot.
  std::optional<nanoseconds> retry_after() const { return retry_after_; }
  std::string_view violated() const { return violated_; }
  // How long it waited, if it did.
  std::optional<nanoseconds> waited() const { return waited_; }
  FramePool& frames();

 private:
  struct Held {
    limit::PlaceTable::Place place;
    std::uint32_t number;  // of its limit
  };

  void hold(const limit::PlaceTable::Place& place, const config::CompiledConcurrency& limit);
  limit::PlaceRequest request_of(const config::CompiledConcurrency& limit, const LimitQuestion& question) const;
  // Nothing: the place is held.
  Task<Result<void>> wait_for(const config::CompiledConcurrency& limit, const LimitQuestion& question);
  enum class Refusal : std::uint8_t { full, too_late };
  Result<void> refuse(const config::CompiledConcurrency& limit, Refusal refusal, seconds retry_after);

  Worker& worker_;
  Arena& arena_;
  std::vector<Held> held_;
  std::size_t next_ = 0;  // of the route's limits
  PlaceWait* wait_ = nullptr;
  std::optional<nanoseconds> waited_;
  std::optional<nanoseconds> retry_after_;
  std::string_view violated_;
};

}  // namespace lotagate
