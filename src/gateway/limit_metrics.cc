#include "gateway/limit_metrics.h"

#include <algorithm>

#include "gateway/worker.h"

namespace lotagate {
namespace {

telemetry::PolicyMetrics policy_metrics(const config::CompiledLimit& limit, const BucketPlaces& places,
                                        const std::vector<std::unique_ptr<Worker>>& workers) {
  telemetry::PolicyMetrics policy{.policy = limit.rule.name};
  telemetry::SharedPolicyMetrics shared;
  for (const config::CompiledBucket& bucket : limit.buckets) {
    LimitNumbers numbers = limit_numbers(bucket, places, workers);
    policy.allowed += numbers.allowed;
    policy.refused += numbers.refused;
    policy.would_refuse += numbers.would_refuse;
    policy.keys += numbers.keys;
    policy.evictions += numbers.evictions;
    shared.store_away += numbers.store_away;
    shared.store_calls += numbers.store_calls;
    shared.oldest_lease = std::max(shared.oldest_lease, numbers.oldest_lease);
  }
  if (limit.rule.shared) policy.shared = shared;
  return policy;
}

}  // namespace

LimitNumbers limit_numbers(const config::CompiledBucket& bucket, const BucketPlaces& places,
                           const std::vector<std::unique_ptr<Worker>>& workers) {
  if (bucket.unlimited) return {};
  LimitNumbers numbers;
  if (bucket.shared != nullptr) {
    limit::SharedKindStats leases = places.shared->kind_stats(bucket.policy.kind);
    numbers.keys = leases.keys;
    numbers.evictions = leases.evictions;
    numbers.store_calls = leases.calls;
    numbers.oldest_lease = leases.oldest_lease;
  } else {
    limit::BucketKindStats table = places.local.kind_stats(bucket.policy.kind);
    numbers.keys = table.keys;
    numbers.evictions = table.evictions;
  }
  for (const auto& worker : workers) {
    const LimitCounters& counters = worker->limit_counters(bucket.policy.kind);
    numbers.allowed += counters.allowed.value();
    numbers.refused += counters.refused.value();
    numbers.would_refuse += counters.would_refuse.value();
    numbers.store_away += counters.store_away.value();
  }
  return numbers;
}

telemetry::BucketTableMetrics bucket_metrics(const BucketPlaces& places, const config::Snapshot& snapshot,
                                             const std::vector<std::unique_ptr<Worker>>& workers) {
  limit::BucketTableStats table = places.local.stats();
  telemetry::BucketTableMetrics out{.bytes = table.bytes,
                                    .slots = table.slots,
                                    .occupied = table.occupied,
                                    .insertions = table.insertions,
                                    .evictions = table.evictions,
                                    .policies = {}};
  for (const auto& limit : snapshot.limits) out.policies.push_back(policy_metrics(limit, places, workers));
  return out;
}

telemetry::LimitStoreMetrics store_metrics(const limit::StoreStats& store) {
  telemetry::LimitStoreMetrics out{.connected = store.connected,
                                   .gateways = store.live_gateways,
                                   .calls_ok = store.calls_ok,
                                   .calls_failed = store.calls_failed,
                                   .calls_timed_out = store.calls_timed_out,
                                   .round_trips = store.round_trips,
                                   .keys = store.keys,
                                   .slots = store.slots,
                                   .evictions = store.evictions,
                                   .no_room = store.no_room,
                                   .tokens_held = store.tokens_held,
                                   .tokens_owed = store.tokens_owed,
                                   .oldest_lease = store.oldest_lease,
                                   .since_last_success = {},
                                   .lost = store.times_lost,
                                   .last_error = store.last_error};
  if (store.since_last_success >= nanoseconds(0)) out.since_last_success = store.since_last_success;
  return out;
}

}  // namespace lotagate
