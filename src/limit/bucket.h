// A token bucket as one number: GCRA (ITU-T I.371). Plain arithmetic on values; the table keeps the numbers.
//
// A bucket's whole state is its theoretical arrival time: the moment of the monotonic clock, in nanoseconds, at which
// it is full again. Taking a token moves that moment one interval into the future, and it may lie at most
// `burst` intervals ahead of now. So n takes and t seconds of refill are one addition and one comparison.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "base/clock.h"

namespace lotagate::limit {

// A limit compiled to integers. Trivially copyable; make it with make_bucket_policy.
struct BucketPolicy {
  std::uint64_t interval_ns = 0;  // time that refills one token, at least kMinIntervalNs
  std::uint64_t window_ns = 0;    // time that fills an empty bucket: burst * interval_ns, at most kMaxWindowNs
  std::uint64_t debt_ns = 0;      // how far beyond empty settling may put it; window_ns + debt_ns <= kMaxWindowNs
  std::uint32_t burst = 0;        // tokens of a full bucket, at least 1
  std::uint16_t kind = 0;         // what the table counts it under, below BucketTable::kMaxKinds
  bool operator==(const BucketPolicy&) const = default;
};

// One million tokens a second: beyond it whole nanoseconds would misstate the rate by more than 0.05 %.
inline constexpr std::uint64_t kMinIntervalNs = 1000;
// Some 36 years: with the clock below kMaxNowNs no sum of the arithmetic can reach 2^63.
inline constexpr std::uint64_t kMaxWindowNs = 1ull << 60;
inline constexpr std::uint64_t kMaxNowNs = 1ull << 61;

// Compiles `tokens` (burst), `refill_per_second` and the tokens that settling may put it into debt. The interval is 1 s
// / refill rounded to the nearest nanosecond: the rate is off by at most refill / 2e9, that is below 1 ppm up to 2,000
// a second, less than clocks drift. Errors (static text for a configuration error): burst 0; a rate that is not a
// number, not above 0, or above 1e6; a bucket that would need more than kMaxWindowNs to fill, from its deepest debt.
[[nodiscard]] std::expected<BucketPolicy, std::string_view> make_bucket_policy(std::uint32_t tokens,
                                                                               double refill_per_second,
                                                                               std::uint32_t debt = 0) noexcept;

// The answer to one take.
struct BucketDecision {
  bool allowed = false;
  std::uint32_t remaining = 0;  // whole tokens left after the take
  nanoseconds retry_after{0};   // 0 if allowed; else the time until the same take would be allowed
  nanoseconds reset{0};         // time until the bucket is full again
};

// What a take does to a bucket: the answer and the state to keep. `changes` is false for a refusal: it takes nothing.
struct BucketStep {
  BucketDecision decision = {};
  std::uint64_t full_at_ns = 0;
  bool changes = false;
};

// Workers read the clock once per turn of their loop, so their notions of now differ; this much is believed to be
// such a difference. A bucket that is emptier than its deepest debt by more was filled under an older, slower policy of
// the same name, and is brought back to there.
inline constexpr std::uint64_t kClockSkewNs = 10'000'000'000;

// The take of `cost` tokens at `now` from a bucket that is full at `full_at_ns` (0: never used). In any span of t
// seconds at most burst + t / interval tokens are admitted, and a bucket asked all the time admits no fewer than that
// less one. A `now` that lies behind that of an earlier take admits less, never more. `cost` 0 asks without taking;
// `cost` above the burst is never allowed, and its retry_after is that of a full bucket.
BucketStep bucket_step(const BucketPolicy& policy, std::uint64_t full_at_ns, MonotonicTime now,
                       std::uint32_t cost = 1) noexcept;

// What turned out after a take: `tokens` above 0 are taken too, whether there are any or not, down to the policy's
// debt; below 0 they were not needed and go back, up to a full bucket. The decision says what is left then.
BucketStep bucket_settle(const BucketPolicy& policy, std::uint64_t full_at_ns, MonotonicTime now,
                         std::int64_t tokens) noexcept;

// `now` as the arithmetic uses it: nanoseconds from 0 to kMaxNowNs.
std::uint64_t bucket_clock_ns(MonotonicTime now) noexcept;

}  // namespace lotagate::limit
