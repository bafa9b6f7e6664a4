#include "limit/lease.h"

#include <algorithm>
#include <bit>

namespace lotagate::limit {
namespace {

constexpr std::uint64_t kIdleNs = 10'000'000'000;
constexpr nanoseconds kSoon = std::chrono::milliseconds(5);  // a lease is on its way

std::uint32_t plus(std::uint32_t a, std::uint64_t b) noexcept {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(a + b, UINT32_MAX));
}

nanoseconds as_duration(std::uint64_t ns) noexcept {
  return nanoseconds(static_cast<nanoseconds::rep>(std::min(ns, kMaxNowNs)));
}

std::uint64_t until(std::uint64_t moment_ns, std::uint64_t now_ns) noexcept {
  return moment_ns > now_ns ? moment_ns - now_ns : 0;
}

std::uint32_t ceil_div(std::uint32_t n, std::uint32_t by) noexcept { return n / by + (n % by != 0 ? 1 : 0); }

bool expired(std::uint64_t since_ns, std::uint64_t life_ns, std::uint64_t now_ns) noexcept {
  return until(now_ns, since_ns) > life_ns;
}

// Tokens that may be spent: leases past their life are not.
std::uint32_t in_hand(const Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept {
  std::uint32_t tokens = 0;
  if (lease.old_tokens > 0 && !expired(lease.old_since_ns, view.life_ns, now_ns)) tokens += lease.old_tokens;
  if (lease.fresh_tokens > 0 && !expired(lease.fresh_since_ns, view.life_ns, now_ns)) tokens += lease.fresh_tokens;
  return tokens;
}

void spend(Lease& lease, const LeaseView& view, std::uint64_t now_ns, std::uint32_t tokens) noexcept {
  if (lease.old_tokens > 0 && !expired(lease.old_since_ns, view.life_ns, now_ns)) {
    const std::uint32_t old = std::min(lease.old_tokens, tokens);
    lease.old_tokens -= old;
    tokens -= old;
  }
  lease.fresh_tokens -= std::min(lease.fresh_tokens, tokens);
}

// What the store's bucket holds, by the last answer.
std::uint32_t left_in_store(const Lease& lease, std::uint64_t now_ns) noexcept {
  const BucketPolicy& bucket = lease.policy->bucket;
  if (!lease.known) return bucket.burst;
  const std::uint64_t missing = until(lease.full_at_ns, now_ns);
  if (missing == 0) return bucket.burst;
  return missing >= bucket.window_ns ? 0
                                     : static_cast<std::uint32_t>((bucket.window_ns - missing) / bucket.interval_ns);
}

std::uint32_t credit(const Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept {
  std::uint64_t share = left_in_store(lease, now_ns);
  if (view.gateways > 1) {
    // A token that has come in is anybody's who asks first: so a client that waits as told does not wait twice.
    const std::uint64_t known = share == 0 ? 0 : std::max<std::uint64_t>(share / view.gateways, 1);
    share = lease.known ? known : ceil_div(lease.policy->bucket.burst, view.gateways);
  }
  const std::uint64_t used = std::uint64_t{lease.owed} + lease.charging;
  return static_cast<std::uint32_t>(until(share, used));
}

void enter_local(Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept {
  const BucketPolicy local = lease_local_policy(lease.policy->bucket, view.gateways);
  const std::uint32_t share = std::min(local.burst, ceil_div(left_in_store(lease, now_ns), view.gateways));
  // What is owed may be more than the share: a debt, or of fewer gateways. It is missing here, too, else it would be
  // taken for refilled afterwards.
  const std::uint64_t owed = std::uint64_t{lease.owed} + lease.charging;
  const std::uint64_t missing = std::max(local.burst - until(share, owed), owed);
  lease.local_full_at_ns = now_ns + std::min(missing, kMaxWindowNs / local.interval_ns) * local.interval_ns;
  lease.local_gateways = view.gateways;
  lease.local = true;
}

BucketPolicy local_policy(const Lease& lease) noexcept {
  return lease_local_policy(lease.policy->bucket, std::max(lease.local_gateways, 1u));
}

// What was spent here and has been refilled here since needs no charge: the store's bucket refilled as much.
void leave_local(Lease& lease, std::uint64_t now_ns) noexcept {
  const BucketPolicy local = local_policy(lease);
  const std::uint64_t missing = until(lease.local_full_at_ns, now_ns);
  const std::uint64_t tokens = missing / local.interval_ns + (missing % local.interval_ns != 0 ? 1 : 0);
  lease.owed = static_cast<std::uint32_t>(std::min<std::uint64_t>(lease.owed, tokens));
  lease.local = false;
}

SharedDecision allow(const Lease& lease, std::uint64_t left, std::uint64_t missing_ns) noexcept {
  const auto remaining = std::min<std::uint64_t>(left, lease.policy->bucket.burst);
  return {.decision = {.allowed = true,
                       .remaining = static_cast<std::uint32_t>(remaining),
                       .retry_after = nanoseconds(0),
                       .reset = as_duration(missing_ns)},
          .local = lease.local};
}

SharedDecision refuse(const Lease& lease, std::uint64_t left, std::uint64_t wait_ns,
                      std::uint64_t missing_ns) noexcept {
  const auto remaining = std::min<std::uint64_t>(left, lease.policy->bucket.burst);
  return {.decision = {.allowed = false,
                       .remaining = static_cast<std::uint32_t>(remaining),
                       .retry_after = std::max<nanoseconds>(as_duration(wait_ns), kSoon),
                       .reset = as_duration(missing_ns)},
          .local = lease.local};
}

SharedDecision take_shared(Lease& lease, const LeaseView& view, std::uint64_t now_ns, std::uint32_t cost) noexcept {
  const BucketPolicy& bucket = lease.policy->bucket;
  const std::uint32_t hand = in_hand(lease, view, now_ns);
  const std::uint64_t missing = lease.known ? until(lease.full_at_ns, now_ns) : 0;
  if (hand >= cost) {
    spend(lease, view, now_ns, cost);
    return allow(lease, std::uint64_t{hand} - cost + left_in_store(lease, now_ns), missing);
  }
  const std::uint32_t rest = cost - hand;
  const std::uint64_t unpaid = std::uint64_t{lease.owed} + lease.charging;
  if (credit(lease, view, now_ns) >= rest) {
    spend(lease, view, now_ns, hand);
    lease.owed = plus(lease.owed, rest);
    return allow(lease, until(left_in_store(lease, now_ns), unpaid + rest), missing + rest * bucket.interval_ns);
  }
  if (view.gateways > 1) lease.need = std::max(lease.need, cost);
  const std::uint64_t owing = missing + unpaid * bucket.interval_ns;
  const std::uint64_t wanted = std::min(rest, bucket.burst) * bucket.interval_ns;
  const std::uint64_t left = std::min<std::uint64_t>(hand + until(left_in_store(lease, now_ns), unpaid), cost - 1);
  return refuse(lease, left, until(owing + wanted, bucket.window_ns), owing);
}

SharedDecision take_local(Lease& lease, const LeaseView& view, std::uint64_t now_ns, std::uint32_t cost) noexcept {
  const std::uint32_t hand = in_hand(lease, view, now_ns);
  const BucketPolicy local = local_policy(lease);
  std::uint64_t missing = until(lease.local_full_at_ns, now_ns);
  const std::uint64_t left = missing < local.window_ns ? (local.window_ns - missing) / local.interval_ns : 0;
  if (hand >= cost) {
    spend(lease, view, now_ns, cost);
    return allow(lease, hand - cost + left, missing);
  }
  const std::uint32_t rest = cost - hand;
  if (lease.policy->on_failure == StoreFailure::closed) {
    SharedDecision decision = refuse(lease, 0, kLongestWaitNs, missing);
    decision.unavailable = true;
    return decision;
  }
  // A request that costs more than this gateway's whole share passes when the share is full, and is paid off
  // afterwards.
  const std::uint64_t wanted = std::min(rest, local.burst) * local.interval_ns;
  const bool fits = missing + wanted <= local.window_ns;
  if (!fits && lease.policy->on_failure == StoreFailure::local) {
    return refuse(lease, std::min<std::uint64_t>(left, cost - 1), missing + wanted - local.window_ns, missing);
  }
  spend(lease, view, now_ns, hand);
  if (fits) {
    missing += rest * local.interval_ns;
    lease.local_full_at_ns = now_ns + missing;
    lease.owed = plus(lease.owed, rest);
  }
  return allow(lease, until(left, rest), missing);
}

}  // namespace

BucketPolicy lease_local_policy(const BucketPolicy& bucket, std::uint32_t gateways) noexcept {
  const std::uint32_t burst = ceil_div(bucket.burst, gateways);
  const std::uint64_t interval =
      bucket.interval_ns > kMaxWindowNs / burst / gateways ? kMaxWindowNs / burst : bucket.interval_ns * gateways;
  return {.interval_ns = interval, .window_ns = interval * burst, .burst = burst};
}

SharedDecision lease_take(Lease& lease, const LeaseView& view, std::uint64_t now_ns, std::uint32_t cost) noexcept {
  const bool cut_off = !view.up || lease.broken;
  // What is missing counts in shares of as many gateways as there were: another number has to be told, not guessed.
  if (lease.local && (!cut_off || lease.local_gateways != view.gateways)) leave_local(lease, now_ns);
  if (cut_off && !lease.local) enter_local(lease, view, now_ns);
  if (cost > lease.policy->bucket.burst) {
    const std::uint64_t missing = until(lease.full_at_ns, now_ns);
    return refuse(lease, left_in_store(lease, now_ns), missing, missing);
  }
  lease.demand = plus(lease.demand, cost);
  return cut_off ? take_local(lease, view, now_ns, cost) : take_shared(lease, view, now_ns, cost);
}

void lease_settle(Lease& lease, const LeaseView& view, std::uint64_t now_ns, std::int64_t tokens) noexcept {
  const auto amount = static_cast<std::uint64_t>(std::min<std::int64_t>(tokens < 0 ? -tokens : tokens, UINT32_MAX));
  if (lease.local) {
    const BucketPolicy local = local_policy(lease);
    const std::uint64_t missing = until(lease.local_full_at_ns, now_ns);
    const std::uint64_t most =
        local.window_ns +
        std::min<std::uint64_t>(lease.policy->most_debt, kMaxWindowNs / local.interval_ns) * local.interval_ns;
    const std::uint64_t moved = std::min(amount, kMaxWindowNs / local.interval_ns) * local.interval_ns;
    const std::uint64_t after = tokens > 0 ? std::max(missing, std::min(missing + moved, most)) : until(missing, moved);
    lease.local_full_at_ns = now_ns + after;
  }
  if (tokens > 0) {
    const auto hand = static_cast<std::uint32_t>(std::min<std::uint64_t>(in_hand(lease, view, now_ns), amount));
    spend(lease, view, now_ns, hand);
    lease.owed = plus(lease.owed, amount - hand);
  } else {
    const auto unpaid = static_cast<std::uint32_t>(std::min<std::uint64_t>(lease.owed, amount));
    lease.owed -= unpaid;
    if (!lease.local) lease.refund = plus(lease.refund, amount - unpaid);
  }
}

void lease_adopt(Lease& lease, const SharedPolicy& policy) noexcept {
  lease.policy = &policy;
  lease.old_tokens = std::min(lease.old_tokens, policy.bucket.burst);
  lease.fresh_tokens = std::min(lease.fresh_tokens, policy.bucket.burst - lease.old_tokens);
  lease.need = std::min(lease.need, policy.bucket.burst);
}

namespace {

std::uint32_t patience(const Lease& lease) noexcept { return (1u << lease.patience_bits) - 1; }

}  // namespace

bool lease_may_ask(const Lease& lease) noexcept {
  if (lease.queued) return false;
  if (lease.owed > patience(lease) || lease.refund > 0) return true;
  if (lease.timed) return false;
  if (lease.owed > 0) return true;
  if (lease.need > 0 || lease.broken) return true;
  return lease.last_grant > 0 && lease.old_tokens + lease.fresh_tokens <= lease.last_grant / 2;
}

namespace {

// Tokens that the demand of late suggests to have in hand. A gateway that is the only one needs no leases: what it is
// charged with is all that is missing in the store, so its credit is the bucket itself.
std::uint32_t target(const Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept {
  if (view.gateways <= 1) return 0;
  const std::uint64_t span = std::max(until(now_ns, lease.asked_ns), kAskEveryNs);
  std::uint64_t tokens = 2ull * lease.demand;
  if (span > kAheadNs) {
    tokens = static_cast<std::uint64_t>(static_cast<double>(lease.demand) * kAheadNs / static_cast<double>(span));
  } else if (lease.demand >= kBusyDemand) {
    tokens = std::max(tokens, lease.demand * kBusyAheadNs / span);
  }
  if (tokens == 0 && lease.demand > 0 && credit(lease, view, now_ns) == 0) tokens = 1;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::max<std::uint64_t>(tokens, lease.need), lease.policy->bucket.burst));
}

}  // namespace

std::uint64_t lease_due_ns(const Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept {
  if (lease.in_flight) return kNotDue;
  const std::uint64_t floor = lease.asked_ns == 0 ? 0 : lease.asked_ns + kAskEveryNs;
  const std::uint32_t hand = in_hand(lease, view, now_ns);
  const bool has_expired = hand < lease.old_tokens + lease.fresh_tokens;
  if (lease.broken) return std::max(floor, lease.wait_until_ns);
  if (lease.refund > 0 || has_expired) return floor;
  if (lease.owed > 0) {
    // The store need not hear of every token while much of the credit is left; a bucket that is asked all the time
    // would cost it, and this machine, 500 calls a second.
    const bool patient = lease.owed <= patience(lease);
    return patient ? std::max(floor, lease.asked_ns + kChargeEveryNs) : floor;
  }
  const bool wants =
      (lease.need > hand && view.gateways > 1) || (hand <= lease.last_grant / 2 && target(lease, view, now_ns) > hand);
  return wants ? std::max(floor, lease.wait_until_ns) : kNotDue;
}

LeaseCall lease_begin(Lease& lease, std::uint64_t key, const LeaseView& view, std::uint64_t now_ns,
                      bool release) noexcept {
  if (lease.local) leave_local(lease, now_ns);
  const std::uint64_t interval = lease.policy->bucket.interval_ns;
  LeaseCall call{.key = key, .id = lease.id, .policy = lease.policy};
  call.alone = lease.alone;
  std::uint64_t oldest = now_ns;
  for (auto [tokens, since] :
       {std::pair{&lease.old_tokens, lease.old_since_ns}, {&lease.fresh_tokens, lease.fresh_since_ns}}) {
    if (*tokens == 0 || (!release && !expired(since, view.life_ns, now_ns))) continue;
    call.give_back = plus(call.give_back, *tokens);
    oldest = std::min(oldest, since);
    *tokens = 0;
  }
  // The fee is for leases only, not for what settling gave back.
  call.fee_us = std::min(until(now_ns, oldest) / 1000 + 1, call.give_back * interval / 1000);
  call.refund = lease.refund;
  call.give_back = plus(call.give_back, lease.refund);
  lease.refund = 0;
  if (!release && now_ns >= lease.wait_until_ns) {
    const std::uint32_t hand = lease.old_tokens + lease.fresh_tokens;
    call.want = static_cast<std::uint32_t>(until(target(lease, view, now_ns), hand));
    call.need = static_cast<std::uint32_t>(std::max<std::uint64_t>(until(lease.need, hand), 1));
    lease.need = 0;
  }
  call.charge = lease.charging = lease.owed;
  lease.owed = 0;
  call.demand = lease.demand;
  lease.demand = 0;
  call.moved = lease.known && lease.connection != view.connection;
  call.seen = lease.seen;
  call.known_missing_us = lease.known ? until(lease.full_at_ns, now_ns) / 1000 : 0;
  call.gateways = view.gateways;
  call.sent_ns = lease.asked_ns = now_ns;
  lease.in_flight = true;
  return call;
}

namespace {

// What can be missing at most; the script has the same. Who answers more is not believed.
std::uint64_t deepest_ns(const SharedPolicy& policy) noexcept {
  const std::uint64_t interval = policy.bucket.interval_ns;
  const std::uint64_t debt = std::min(policy.most_debt, kMaxWindowNs / 2 / interval) * interval;
  return std::min(2 * policy.bucket.window_ns + debt, kMaxWindowNs);
}

}  // namespace

void lease_answered(Lease& lease, const LeaseCall& call, const LeaseAnswer& answer, const LeaseView& view,
                    std::uint64_t now_ns) noexcept {
  lease.in_flight = lease.broken = false;
  lease.charging = 0;
  lease.known = true;
  lease.connection = view.connection;
  lease.seen = answer.full_at;
  lease.full_at_ns = now_ns + std::min(answer.missing_us, deepest_ns(*call.policy) / 1000 + 1) * 1000;
  const bool holds = lease.old_tokens + lease.fresh_tokens > 0;
  lease.alone = !holds || (lease.alone && answer.alone);
  lease.wait_until_ns = 0;
  // A quarter of the credit.
  const std::uint64_t patient = (std::uint64_t{lease.owed} + credit(lease, view, now_ns)) / 4;
  lease.patience_bits = static_cast<std::uint8_t>(std::min(static_cast<int>(std::bit_width(patient + 1)) - 1, 31));
  if (call.want == 0) return;
  const std::uint32_t grant = std::min(answer.grant, call.want);
  lease.last_grant = grant;
  if (grant == 0) {
    lease.wait_until_ns = now_ns + std::min(answer.wait_us, kLongestWaitNs / 1000) * 1000;
    // Once more when a token comes in, for who was refused and comes back then; not for ever.
    if (call.demand > 0) lease.need = std::max(lease.need, call.need);
    return;
  }
  if (lease.old_tokens == 0) {
    lease.old_tokens = lease.fresh_tokens;
    lease.old_since_ns = lease.fresh_since_ns;
  } else {
    lease.old_tokens = plus(lease.old_tokens, lease.fresh_tokens);  // as old as the older ones
  }
  lease.fresh_tokens = grant;
  lease.fresh_since_ns = call.sent_ns;
}

void lease_failed(Lease& lease, const LeaseCall& call, bool happened, bool broken) noexcept {
  lease.in_flight = false;
  lease.charging = 0;
  lease.owed = plus(lease.owed, call.charge);
  lease.broken = broken;
  lease.wait_until_ns = broken ? call.sent_ns + kLongestWaitNs / 4 : 0;
  if (!happened) lease.refund = plus(lease.refund, call.refund);  // leases are older by then: forgotten
}

std::uint64_t lease_worth(const Lease& lease, const LeaseView& view, std::uint64_t now_ns) noexcept {
  if (lease.in_flight || lease.refund > 0) return UINT64_MAX;
  std::uint64_t missing = until(lease.full_at_ns, now_ns);
  if (lease.local) missing = std::max(missing, until(lease.local_full_at_ns, now_ns));
  if (lease.owed > 0 && (!lease.local || missing > 0)) return UINT64_MAX;
  const BucketPolicy& bucket = lease.policy->bucket;
  const double used = static_cast<double>(missing) / static_cast<double>(bucket.window_ns) +
                      static_cast<double>(in_hand(lease, view, now_ns)) / bucket.burst;
  return static_cast<std::uint64_t>(std::min(used, 1e12) * 65536);
}

bool lease_is_idle(const Lease& lease, std::uint64_t now_ns) noexcept {
  if (lease.in_flight || lease.queued || lease.timed || lease.owed > 0 || lease.refund > 0) return false;
  if (lease.old_tokens + lease.fresh_tokens > 0) return false;
  return lease.full_at_ns + kIdleNs < now_ns && lease.asked_ns + kIdleNs < now_ns &&
         (!lease.local || lease.local_full_at_ns < now_ns);
}

}  // namespace lotagate::limit
