// What is known of rate limits, for the metrics and the status page.
#pragma once

#include <memory>
#include <vector>

#include "config/snapshot.h"
#include "limit/bucket_table.h"
#include "limit/shared_buckets.h"
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
  std::uint64_t store_calls = 0;
  nanoseconds oldest_lease{0};
};

// Where buckets are. `shared` is null without a store.
struct BucketPlaces {
  const limit::BucketTable& local;
  const limit::SharedBuckets* shared;
};

LimitNumbers limit_numbers(const config::CompiledBucket& bucket, const BucketPlaces& places,
                           const std::vector<std::unique_ptr<Worker>>& workers);

// The table, and each limit of the snapshot.
telemetry::BucketTableMetrics bucket_metrics(const BucketPlaces& places, const config::Snapshot& snapshot,
                                             const std::vector<std::unique_ptr<Worker>>& workers);

telemetry::LimitStoreMetrics store_metrics(const limit::StoreStats& store);

}  // namespace lotagate
