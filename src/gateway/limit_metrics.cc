#include "gateway/limit_metrics.h"

#include "gateway/worker.h"

namespace lotagate {
namespace {

telemetry::PolicyMetrics policy_metrics(const config::CompiledLimit& limit, const limit::BucketTable& buckets,
                                        const std::vector<std::unique_ptr<Worker>>& workers) {
  telemetry::PolicyMetrics policy{.policy = limit.rule.name};
  std::uint64_t store_away = 0;
  for (const config::CompiledBucket& bucket : limit.buckets) {
    LimitNumbers numbers = limit_numbers(bucket, buckets, workers);
    policy.allowed += numbers.allowed;
    policy.refused += numbers.refused;
    policy.would_refuse += numbers.would_refuse;
    policy.keys += numbers.keys;
    policy.evictions += numbers.evictions;
    store_away += numbers.store_away;
  }
  if (limit.rule.shared) policy.store_away = store_away;
  return policy;
}

}  // namespace

LimitNumbers limit_numbers(const config::CompiledBucket& bucket, const limit::BucketTable& buckets,
                           const std::vector<std::unique_ptr<Worker>>& workers) {
  if (bucket.unlimited) return {};
  limit::BucketKindStats table = buckets.kind_stats(bucket.policy.kind);
  LimitNumbers numbers{.keys = table.keys, .evictions = table.evictions};
  for (const auto& worker : workers) {
    const LimitCounters& counters = worker->limit_counters(bucket.policy.kind);
    numbers.allowed += counters.allowed.value();
    numbers.refused += counters.refused.value();
    numbers.would_refuse += counters.would_refuse.value();
    numbers.store_away += counters.store_away.value();
  }
  return numbers;
}

telemetry::BucketTableMetrics bucket_metrics(const limit::BucketTable& buckets, const config::Snapshot& snapshot,
                                             const std::vector<std::unique_ptr<Worker>>& workers) {
  limit::BucketTableStats table = buckets.stats();
  telemetry::BucketTableMetrics out{.bytes = table.bytes,
                                    .slots = table.slots,
                                    .occupied = table.occupied,
                                    .insertions = table.insertions,
                                    .evictions = table.evictions,
                                    .policies = {}};
  for (const auto& limit : snapshot.limits) out.policies.push_back(policy_metrics(limit, buckets, workers));
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
