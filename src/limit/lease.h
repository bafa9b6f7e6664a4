// What one gateway knows of one shared bucket, and the arithmetic on it. Plain values, no I/O; the table holds them.
//
// The bound. Notation: a bucket of b tokens that refills r a second; G gateways; L the lease life; all times in
// seconds, all amounts in tokens. M(t) is what is missing in the store's bucket, H(t) what gateways hold leased and
// unspent, C(t) what they have spent on credit and not yet been charged for.
//
//   1. The store: in a span of t seconds M grows by what was leased and charged, and shrinks by what was given back and
//      by at most r t. So leased + charged - given back <= r t + M(end) - M(start).
//   2. The gateways: spent = leased - given back + H(start) - H(end) + charged + C(end) - C(start). With 1:
//      spent <= r t + M(end) + C(end) + [H(start) - M(start)].
//   3. H - M <= r L at any time. Claim, for any earlier moment u: what is held of leases granted after u is at most
//      M + r (now - u). A grant adds the same to both sides; time adds r to the right and takes at most r from M;
//      spending only lowers the left. Giving back n tokens of age a lowers M by at most n - r a (the fee), and the
//      claim for the moment the lease began, which counted n tokens more on the left, had r a of room at most: so the
//      claims for later moments hold, too. If nobody was granted anything after that lease, there is nothing on the
//      left of those claims, and the fee is waived. A lease is never spent at an age above L, so u = now - L counts all
//      of H.
//   4. M + C <= b + (G - 1) ceil(b / G) + G. Leases never push M above b. Credit may: each gateway spends at most its
//      share, ceil(b / G) of a bucket it does not know and a G-th of what it believes to be left in one it knows (but 1
//      of 1), until it has been charged and so told the truth; the one whose leases emptied the bucket has no use for
//      credit. G is for that 1.
//
//      spent in t seconds <= b + r (t + L) + (G - 1) ceil(b / G) + G
//
// All credit is charged, below empty if need be, so over a long time no more than r a second are spent. Gateways that
// know the bucket to be empty (all that were refused lately) give no credit: then the bound is b + r (t + L) + G.
// A gateway that starts, or had to forget the bucket, does not know it: each time adds its ceil(b / G) once more.
// A gateway that is the only one leases nothing; its credit is all that is left, and what it admits is exact.
//
// While the store is away a gateway has a bucket of its own of ceil(b / G) tokens that refills r / G a second and
// begins with its share of what was left; G of them keep b + r t + G. What they spent and has not been refilled is
// charged when the store is back. A call whose answer was lost may have happened: what it charged is charged again,
// what it gave back and leased is forgotten. Each of those errs towards admitting less.
#pragma once

#include <array>
#include <cstdint>

#include "limit/lease_script.h"
#include "limit/shared_buckets.h"

namespace lotagate::limit {

// What all leases share at a moment.
struct LeaseView {
  bool up = false;               // the store answers
  std::uint32_t gateways = 1;    // at least 1
  std::uint32_t connection = 0;  // counts connections: another one may be to another server
  std::uint64_t life_ns = 0;
};

inline constexpr std::uint64_t kAskEveryNs = 2'000'000;         // calls for one bucket are at least this far apart
inline constexpr std::uint64_t kChargeEveryNs = 20'000'000;     // what is spent on credit, while little of it is
inline constexpr std::uint64_t kAheadNs = 200'000'000;          // demand to lease ahead for, at most
inline constexpr std::uint64_t kBusyAheadNs = 40'000'000;       // and at least, for a bucket that is asked all the time
inline constexpr std::uint32_t kBusyDemand = 16;                // since the last call
inline constexpr std::uint64_t kLongestWaitNs = 1'000'000'000;  // an empty bucket is asked again: others give back
inline constexpr std::uint64_t kNotDue = UINT64_MAX;

struct Lease {
  std::array<std::uint64_t, 2> id;  // of the bucket in the store
  const SharedPolicy* policy;
  std::uint64_t seen;              // the store's own number at the last answer
  std::uint64_t full_at_ns;        // when the store's bucket is full, by the last answer
  std::uint64_t local_full_at_ns;  // of the bucket that stands in while the store is away
  std::uint64_t old_since_ns;      // tokens in hand come from two grants: the older ones are spent first
  std::uint64_t fresh_since_ns;
  std::uint64_t asked_ns;       // last call
  std::uint64_t wait_until_ns;  // asking for more is of no use before
  std::uint32_t old_tokens;
  std::uint32_t fresh_tokens;
  std::uint32_t owed;      // spent on credit, to be charged
  std::uint32_t charging;  // the same, in the call under way
  std::uint32_t refund;    // given back by settling, to be passed on
  std::uint32_t demand;    // asked for since the last call, also what was refused
  std::uint32_t need;      // the largest take refused since then
  std::uint32_t last_grant;
  std::uint32_t connection;      // of the last answer
  std::uint32_t local_gateways;  // that share the bucket, by which local_full_at_ns counts
  bool known;                    // the store has answered about this bucket
  bool alone;                    // nobody else was granted anything since the leases in hand began
  bool local;                    // local_full_at_ns is in use
  bool broken;                   // the store answers, but not about this bucket
  bool queued;                   // the keeper looks at it at once, or a call is under way
  bool timed;                    // the keeper looks at it later
  bool in_flight;                // a call is under way
  std::uint8_t patience_bits;    // by the last answer, 2^n - 1 tokens may be owed for kChargeEveryNs
};

// A gateway's own bucket while the store is away: its share, rounded up, of the burst and the rate.
BucketPolicy lease_local_policy(const BucketPolicy& bucket, std::uint32_t gateways) noexcept;

// A take; shared_buckets.h describes it.
SharedDecision lease_take(Lease& lease, const LeaseView& view, std::uint64_t now_ns, std::uint32_t cost) noexcept;
void lease_settle(Lease& lease, const LeaseView& view, std::uint64_t now_ns, std::int64_t tokens) noexcept;
// For a bucket that was entered under an older policy of the same name.
void lease_adopt(Lease& lease, const SharedPolicy& policy) noexcept;

// A quick look after a take: is the keeper to look at it?
bool lease_may_ask(const Lease& lease) noexcept;
// When a call is of use: now or earlier, later, or kNotDue.
std::uint64_t lease_due_ns(const Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept;
// Begins a call. With `release` everything in hand is given back and nothing asked for.
LeaseCall lease_begin(Lease& lease, std::uint64_t key, const LeaseView& view, std::uint64_t now_ns,
                      bool release) noexcept;
void lease_answered(Lease& lease, const LeaseCall& call, const LeaseAnswer& answer, const LeaseView& view,
                    std::uint64_t now_ns) noexcept;
// `happened`: it may have. `broken`: the store goes on answering, but not about this bucket.
void lease_failed(Lease& lease, const LeaseCall& call, bool happened, bool broken) noexcept;

// What forgetting the lease would give away, as a share of its bucket in 1 / 65536; UINT64_MAX if it must not be.
std::uint64_t lease_worth(const Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept;
bool lease_is_idle(const Lease& lease, std::uint64_t now_ns) noexcept;

}  // namespace lotagate::limit
