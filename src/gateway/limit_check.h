// The rate limits of one request: from which buckets it takes, what comes back, and what the client is told. One per
// exchange; reuse allocates nothing in steady state.
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
#include "http/head.h"
#include "http/writer.h"
#include "limit/bucket.h"

namespace lotagate {

class Worker;

// What became of a request.
struct LimitAnswer {
  std::uint16_t status = 0;
  const http::FieldList* fields = nullptr;  // of the service's head, or its trailers; null: an answer of our own
  bool reached_service = true;              // it may have done work
  bool trailers_follow = false;             // fields that are not there may still come
};

class LimitCheck {
 public:
  LimitCheck(Worker& worker, Arena& arena) : worker_(worker), arena_(arena) {}

  // Forgets the last request.
  void reset();

  // Takes from every limit of the route that stands at this stage. The first one that refuses decides: what was taken
  // before, at an earlier stage too, is given back, because a refused request takes nothing (R06).
  // Errors: rate_limited; limits_unavailable, if the store is down and the limit says `closed`.
  Result<void> apply(const LimitQuestion& question, config::LimitStage stage);
  // Something else refused the request because there is too much: it takes nothing either.
  void give_back();

  // What the request costs where that depends on its answer. What was settled stays so.
  void settle(const LimitAnswer& answer);
  // Whether the answer's trailers have to be looked at, by another settle().
  bool awaits_trailers() const { return awaits_trailers_; }

  // RateLimit-Policy, RateLimit, and the older fields where configured. Nothing without limits.
  void write_fields(http::HeadWriter& out) const;
  // Of a refusal.
  std::optional<nanoseconds> retry_after() const { return retry_after_; }
  // The limit that refused; empty: none. Lives as long as the snapshot.
  std::string_view violated() const { return violated_; }

 private:
  struct Outcome {
    const config::CompiledLimit* limit;
    const config::CompiledBucket* bucket;
    std::uint64_t key;
    limit::BucketDecision decision = {};
    std::uint32_t cost = 0;  // taken, and not given back
    bool unsettled = false;
  };

  bool take(const config::CompiledRouteLimit& use, const config::CompiledBucket& bucket, const LimitQuestion& question);
  void move(Outcome& outcome, std::int64_t tokens);
  void settle_one(Outcome& outcome, const LimitAnswer& answer);
  void write_legacy_fields(http::HeadWriter& out) const;
  Result<void> refuse(const config::RateLimit& rule);

  Worker& worker_;
  Arena& arena_;
  std::vector<Outcome> outcomes_;
  std::size_t shown_ = 0;  // of the outcomes, how many clients hear of: `report_only` is nothing to them
  bool unsettled_ = false;
  bool awaits_trailers_ = false;
  bool unavailable_ = false;
  std::optional<nanoseconds> retry_after_;
  std::string_view violated_;
};

}  // namespace lotagate
