// The concurrency limits of the process, by name: what outlives reloads of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/snapshot.h"
#include "limit/concurrency.h"
#include "telemetry/concurrency_metrics.h"

namespace lotagate {

class Worker;

// For the control thread. Limits stay for the life of the process: requests may hold their places.
class ConcurrencyLimits {
 public:
  // The one of this name, made when it is first asked for.
  limit::ConcurrencyLimit& named(const std::string& name);
  // Takes over the numbers of a configuration that is about to be used, and lets those in that they have room for.
  static void adopt(const config::Snapshot& snapshot, limit::PlaceTable& places, MonotonicTime now);

 private:
  std::map<std::string, limit::ConcurrencyLimit> limits_;
};

// Of each limit of the snapshot, what all workers counted.
std::vector<telemetry::ConcurrencyMetrics> concurrency_metrics(const config::Snapshot& snapshot,
                                                               const std::vector<std::unique_ptr<Worker>>& workers);

}  // namespace lotagate
