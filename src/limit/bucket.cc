#include "limit/bucket.h"

#include <algorithm>
#include <cmath>

namespace lotagate::limit {
namespace {

nanoseconds as_duration(std::uint64_t ns) noexcept { return nanoseconds(static_cast<nanoseconds::rep>(ns)); }

std::uint64_t most_missing(const BucketPolicy& policy) noexcept { return policy.window_ns + policy.debt_ns; }

std::uint32_t tokens_left(const BucketPolicy& policy, std::uint64_t missing) noexcept {
  std::uint64_t left = missing < policy.window_ns ? policy.window_ns - missing : 0;
  return static_cast<std::uint32_t>(left / policy.interval_ns);
}

}  // namespace

std::expected<BucketPolicy, std::string_view> make_bucket_policy(std::uint32_t tokens, double refill_per_second,
                                                                 std::uint32_t debt) noexcept {
  if (tokens == 0) return std::unexpected("a bucket holds at least 1 token");
  if (!(refill_per_second > 0)) return std::unexpected("the refill rate is above 0");  // also not a number
  double interval_ns = std::round(1e9 / refill_per_second);
  if (interval_ns < static_cast<double>(kMinIntervalNs)) {
    return std::unexpected("the refill rate is at most 1000000 tokens a second");
  }
  if (interval_ns * (static_cast<double>(tokens) + debt) >= static_cast<double>(kMaxWindowNs)) {
    return std::unexpected("the bucket takes more than 36 years to refill");
  }
  auto interval = static_cast<std::uint64_t>(interval_ns);
  return BucketPolicy{
      .interval_ns = interval, .window_ns = interval * tokens, .debt_ns = interval * debt, .burst = tokens};
}

std::uint64_t bucket_clock_ns(MonotonicTime now) noexcept {
  nanoseconds::rep ns = now.time_since_epoch().count();
  return ns <= 0 ? 0 : std::min(static_cast<std::uint64_t>(ns), kMaxNowNs);
}

BucketStep bucket_step(const BucketPolicy& policy, std::uint64_t full_at_ns, MonotonicTime now,
                       std::uint32_t cost) noexcept {
  std::uint64_t now_ns = bucket_clock_ns(now);
  std::uint64_t missing = full_at_ns > now_ns ? full_at_ns - now_ns : 0;  // time until full
  BucketStep step{.full_at_ns = full_at_ns};
  if (missing > most_missing(policy) + kClockSkewNs) {
    missing = most_missing(policy);
    step.full_at_ns = now_ns + missing;
    step.changes = true;
  }

  std::uint64_t wanted = std::min(cost, policy.burst) * policy.interval_ns;
  if (cost > policy.burst || missing + wanted > policy.window_ns) {
    step.decision = {.allowed = false,
                     .remaining = tokens_left(policy, missing),
                     .retry_after = as_duration(missing + wanted - policy.window_ns),
                     .reset = as_duration(missing)};
    return step;
  }

  missing += wanted;
  step.decision = {.allowed = true,
                   .remaining = tokens_left(policy, missing),
                   .retry_after = nanoseconds(0),
                   .reset = as_duration(missing)};
  if (cost > 0) {
    step.full_at_ns = now_ns + missing;
    step.changes = true;
  }
  return step;
}

BucketStep bucket_settle(const BucketPolicy& policy, std::uint64_t full_at_ns, MonotonicTime now,
                         std::int64_t tokens) noexcept {
  std::uint64_t now_ns = bucket_clock_ns(now);
  std::uint64_t most = most_missing(policy);
  std::uint64_t missing = std::min(full_at_ns > now_ns ? full_at_ns - now_ns : 0, most);
  // No more than `most` either way, so that the product stays far from overflow.
  std::uint64_t count = tokens < 0 ? 0 - static_cast<std::uint64_t>(tokens) : static_cast<std::uint64_t>(tokens);
  std::uint64_t moved = std::min(count, most / policy.interval_ns + 1) * policy.interval_ns;
  missing = tokens < 0 ? missing - std::min(moved, missing) : std::min(missing + moved, most);
  return {.decision = {.allowed = true,
                       .remaining = tokens_left(policy, missing),
                       .retry_after = nanoseconds(0),
                       .reset = as_duration(missing)},
          .full_at_ns = now_ns + missing,
          .changes = true};
}

}  // namespace lotagate::limit
