// The part of the status page about rate limits.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "config/snapshot.h"
#include "gateway/json_writer.h"
#include "gateway/limit_metrics.h"
#include "limit/bucket_table.h"
#include "limit/key_names.h"
#include "telemetry/prometheus.h"

namespace lotagate {

class Worker;

// What the page is made of, on the admin's thread.
struct LimitStatus {
  const config::Snapshot& snapshot;
  BucketPlaces places;
  const std::vector<std::unique_ptr<Worker>>& workers;
  const limit::KeyNames& names;
  const telemetry::BucketTableMetrics& metrics;
  MonotonicTime now;
  WallTime wall_now;  // the same moment
};

// The member `rate_limits`: the table, the store, and for every size of every limit its numbers and heaviest keys.
void write_limit_status(JsonWriter& json, const LimitStatus& status);

}  // namespace lotagate
