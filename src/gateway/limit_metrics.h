// What is known of rate limits, for the metrics and the status page.
#pragma once

#include <memory>
#include <vector>

#include "config/snapshot.h"
#include "limit/bucket_table.h"
#include "limit/shared_policy.h"
#include "telemetry/prometheus.h"

namespace lotagate {

class Worker;

// What all workers decided since the start about one size of a limit, and its buckets now.
struct LimitNumbers {
  std::uint64_t allowed = 0;
  std::uint64_t refused = 0;
  std::uint64_t would_refuse = 0;
  std::uint64_t store_away = 0;
  std::uint64_t keys = 0;
  std::uint64_t evictions = 0;
};
LimitNumbers limit_numbers(const config::CompiledBucket& bucket, const limit::BucketTable& buckets,
                           const std::vector<std::unique_ptr<Worker>>& workers);

// The table, and each limit of the snapshot.
telemetry::BucketTableMetrics bucket_metrics(const limit::BucketTable& buckets, const config::Snapshot& snapshot,
                                             const std::vector<std::unique_ptr<Worker>>& workers);

telemetry::LimitStoreMetrics store_metrics(const limit::StoreStats& store);

}  // namespace lotagate
