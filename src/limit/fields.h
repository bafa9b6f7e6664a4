// Values of the response fields that tell a client about its limits: RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers-11, structured fields of RFC 9651) and Retry-After (RFC 9110 10.2.3).
//
// Functions with a span write into the caller's buffer and return what they wrote; a buffer of kMaxLimitItem
// (kMaxRetryAfter) bytes always suffices, in a smaller one the result is empty if it does not fit. Several policies
// make one field value when joined with ", ".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/writer.h"
#include "limit/bucket.h"

namespace lotagate::limit {

// Longer policy names are cut; a byte that a structured-field string cannot carry is written as '?'.
inline constexpr std::size_t kMaxPolicyNameBytes = 128;
// Name with every byte escaped, quotes, two parameters of at most 10 digits.
inline constexpr std::size_t kMaxLimitItem = 2 * kMaxPolicyNameBytes + 32;
inline constexpr std::size_t kMaxRetryAfter = 10;

// `policy_name` as a structured-field string, quotes included: what both items begin with. Made once, with the
// configuration.
std::string quote_policy_name(std::string_view policy_name);

// One RateLimit item: `"per_user";r=42;t=2`. r: whole tokens left. t: seconds, rounded up, until the bucket is full;
// for a refused take until it may be tried again, because Retry-After must not lie before the end of t (section 6).
// Straight into the head: it is written for every limit of every request.
void write_ratelimit(http::HeadWriter& out, std::string_view quoted_name, const BucketDecision& decision) noexcept;

// One RateLimit-Policy item: `"per_user";q=100;w=2`. q: the burst. w: seconds, rounded up and at least 1, in which an
// empty bucket fills, so that q / w is the sustained rate or a little less (100 tokens at 50/s: w=2). The draft has no
// fractions of a second: a bucket that fills in less states the lower rate of burst per second.
std::string_view write_ratelimit_policy(std::span<char> out, std::string_view quoted_name,
                                        const BucketPolicy& policy) noexcept;

// Rounded up; 0 for what is not above 0.
std::uint64_t whole_seconds_up(nanoseconds duration) noexcept;

// Whole seconds, rounded up, at least 1.
std::string_view write_retry_after(std::span<char> out, nanoseconds retry_after) noexcept;

}  // namespace lotagate::limit
