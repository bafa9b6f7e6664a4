// What is known of rate limits, for the metrics and the status page.
#pragma once

#include <memory>
#include <vector>

#include "config/snapshot.h"
#include "limit/bucket_table.h"
#include "telemetry/prometheus.h"

namespace lotagate {

class Worker;

// The table, and of each limit of the snapshot what all workers decided since the start.
telemetry::BucketTableMetrics bucket_metrics(const limit::BucketTable& buckets, const config::Snapshot& snapshot,
                                             const std::vector<std::unique_ptr<Worker>>& workers);

}  // namespace lotagate
