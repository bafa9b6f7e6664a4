#include "gateway/limit_check.h"

#include <algorithm>

#include "base/text.h"
#include "gateway/worker.h"
#include "limit/bucket_table.h"
#include "limit/fields.h"
#include "limit/shared_buckets.h"

namespace lotagate {
namespace {

// What a shared bucket would say now that `tokens` more were taken from it, or fewer. No product overflows: the bucket
// and its debt together come back within 366 days, and nothing moves by more than both.
void move_estimate(limit::BucketDecision& decision, const limit::BucketPolicy& policy, std::int64_t tokens) {
  const auto most_missing = static_cast<std::int64_t>(policy.window_ns + policy.debt_ns);
  const std::int64_t missing = decision.reset.count() + tokens * static_cast<std::int64_t>(policy.interval_ns);
  const std::int64_t left = std::int64_t{decision.remaining} - tokens;
  decision.reset = nanoseconds(std::clamp<std::int64_t>(missing, 0, most_missing));
  decision.remaining = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, policy.burst));
}

}  // namespace

void LimitCheck::reset() {
  outcomes_.clear();
  shown_ = 0;
  unsettled_ = false;
  awaits_trailers_ = false;
  unavailable_ = false;
  retry_after_.reset();
  violated_ = {};
}

Result<void> LimitCheck::apply(const LimitQuestion& question, config::LimitStage stage) {
  const auto& all = question.route.limits;
  bool early = stage == config::LimitStage::before_authentication;
  std::size_t begin = early ? 0 : question.route.early_limits;
  std::size_t end = early ? question.route.early_limits : all.size();
  for (std::size_t i = begin; i < end; ++i) {
    const config::CompiledBucket* bucket = choose_bucket(*all[i].limit, question);
    if (bucket == nullptr || take(all[i], *bucket, question)) continue;
    return refuse(all[i].limit->rule);
  }
  return {};
}

// False: this limit refuses.
bool LimitCheck::take(const config::CompiledRouteLimit& use, const config::CompiledBucket& bucket,
                      const LimitQuestion& question) {
  const config::CompiledLimit& limit = *use.limit;
  const BucketName name(limit.key, question);
  const std::uint64_t key = name.key(bucket.seed);
  const MonotonicTime now = worker_.reactor().now();
  LimitCounters& counters = worker_.limit_counters(bucket.policy.kind);
  Outcome& outcome = outcomes_.emplace_back(&limit, &bucket, key);
  if (bucket.shared == nullptr) {
    outcome.decision = worker_.shared().buckets.take(key, bucket.policy, now, use.cost);
    unavailable_ = false;
  } else {
    auto shared = worker_.shared().shared_buckets->take(key, name.identity(arena_), *bucket.shared, now, use.cost);
    outcome.decision = shared.decision;
    unavailable_ = shared.unavailable && !limit.rule.report_only;
    if (shared.local || shared.unavailable) counters.store_away.add();
  }
  const bool allowed = outcome.decision.allowed;
  if (worker_.heavy_keys().due()) {
    worker_.heavy_keys().note(key, bucket.policy.kind, name.identity(arena_), !allowed, now);
  }
  if (allowed) {
    counters.allowed.add();
    outcome.cost = use.cost;
    outcome.unsettled = limit.settles;
    unsettled_ = unsettled_ || limit.settles;
  } else {
    (limit.rule.report_only ? counters.would_refuse : counters.refused).add();
  }
  if (limit.rule.report_only) return true;
  ++shown_;
  return allowed;
}

Result<void> LimitCheck::refuse(const config::RateLimit& rule) {
  retry_after_ = outcomes_.back().decision.retry_after;
  violated_ = rule.name;
  give_back();
  ErrorCode code = unavailable_ ? ErrorCode::limits_unavailable : ErrorCode::rate_limited;
  return fail(code, unavailable_ ? Origin::internal : Origin::downstream, violated_);
}

void LimitCheck::give_back() {
  for (Outcome& outcome : outcomes_) {
    if (outcome.cost > 0) move(outcome, -static_cast<std::int64_t>(outcome.cost));
    outcome.cost = 0;
    outcome.unsettled = false;
  }
  unsettled_ = false;
}

void LimitCheck::move(Outcome& outcome, std::int64_t tokens) {
  MonotonicTime now = worker_.reactor().now();
  const config::CompiledBucket& bucket = *outcome.bucket;
  if (bucket.shared == nullptr) {
    outcome.decision = worker_.shared().buckets.settle(outcome.key, bucket.policy, now, tokens);
    return;
  }
  worker_.shared().shared_buckets->settle(outcome.key, *bucket.shared, now, tokens);
  move_estimate(outcome.decision, bucket.policy, tokens);
}

void LimitCheck::settle(const LimitAnswer& answer) {
  if (!unsettled_) return;
  unsettled_ = false;
  awaits_trailers_ = false;
  for (Outcome& outcome : outcomes_) {
    if (!outcome.unsettled) continue;
    outcome.unsettled = false;
    settle_one(outcome, answer);
    unsettled_ = unsettled_ || outcome.unsettled;
  }
}

void LimitCheck::settle_one(Outcome& outcome, const LimitAnswer& answer) {
  const config::RateLimit& rule = outcome.limit->rule;
  std::int64_t reserved = outcome.cost;
  if (!rule.count.empty()) {
    if (!std::ranges::binary_search(rule.count, answer.status)) move(outcome, -reserved);
    return;
  }
  if (answer.fields == nullptr) {
    if (!answer.reached_service) move(outcome, -reserved);
    return;
  }
  auto text = answer.fields->only_value(rule.cost.field);
  if (!text && answer.trailers_follow) {
    outcome.unsettled = awaits_trailers_ = true;
    return;
  }
  // A service that does not say what it spent has spent the reserve.
  auto spent = text ? parse_decimal(*text) : std::nullopt;
  bool beyond_64_bits = text && !spent && !text->empty() && text->find_first_not_of("0123456789") == text->npos;
  if (beyond_64_bits) spent = UINT64_MAX;
  if (!spent) return;
  std::int64_t counted = static_cast<std::int64_t>(std::min<std::uint64_t>(*spent, rule.cost.most));
  if (counted != reserved) move(outcome, counted - reserved);
}

void LimitCheck::write_fields(http::HeadWriter& out) const {
  if (shown_ == 0) return;
  out.text("RateLimit-Policy: ");
  bool first = true;
  bool legacy = false;
  for (const Outcome& outcome : outcomes_) {
    if (outcome.limit->rule.report_only) continue;
    out.text(first ? "" : ", ", outcome.bucket->policy_item);
    first = false;
    legacy = legacy || outcome.limit->rule.legacy_headers;
  }
  out.text("\r\nRateLimit: ");
  first = true;
  for (const Outcome& outcome : outcomes_) {
    if (outcome.limit->rule.report_only) continue;
    if (!first) out.text(", ");
    limit::write_ratelimit(out, outcome.limit->quoted_name, outcome.decision);
    first = false;
  }
  out.text("\r\n");
  if (legacy) write_legacy_fields(out);
}

// These fields have room for one limit: the one that refused, else the one with the fewest tokens left.
void LimitCheck::write_legacy_fields(http::HeadWriter& out) const {
  const Outcome* tightest = nullptr;
  auto tighter = [](const Outcome& a, const Outcome& b) {
    if (a.decision.allowed != b.decision.allowed) return !a.decision.allowed;
    return a.decision.remaining < b.decision.remaining;
  };
  for (const Outcome& outcome : outcomes_) {
    const config::RateLimit& rule = outcome.limit->rule;
    if (rule.report_only || !rule.legacy_headers) continue;
    if (tightest == nullptr || tighter(outcome, *tightest)) tightest = &outcome;
  }
  out.field("X-RateLimit-Limit", std::uint64_t{tightest->bucket->policy.burst});
  out.field("X-RateLimit-Remaining", std::uint64_t{tightest->decision.remaining});
  const limit::BucketDecision& decision = tightest->decision;
  out.field("X-RateLimit-Reset", limit::whole_seconds_up(decision.allowed ? decision.reset : decision.retry_after));
}

}  // namespace lotagate
