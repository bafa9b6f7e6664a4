#include "gateway/limit_metrics.h"

#include "gateway/worker.h"

namespace lotagate {
namespace {

telemetry::PolicyMetrics policy_metrics(const config::CompiledLimit& limit, const limit::BucketTable& buckets,
                                        const std::vector<std::unique_ptr<Worker>>& workers) {
  telemetry::PolicyMetrics policy{.policy = limit.rule.name};
  for (const config::CompiledBucket& bucket : limit.buckets) {
    if (bucket.unlimited) continue;
    limit::BucketKindStats table = buckets.kind_stats(bucket.policy.kind);
    policy.keys += table.keys;
    policy.evictions += table.evictions;
    for (const auto& worker : workers) {
      const LimitCounters& counters = worker->limit_counters(bucket.policy.kind);
      policy.allowed += counters.allowed.value();
      policy.refused += counters.refused.value();
      policy.would_refuse += counters.would_refuse.value();
    }
  }
  return policy;
}

}  // namespace

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

}  // namespace lotagate
