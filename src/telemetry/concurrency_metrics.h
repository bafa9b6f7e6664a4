// What is measured of concurrency limits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "telemetry/metrics.h"

namespace lotagate::telemetry {

class Exposition;

struct ConcurrencyMetrics {
  std::string limit;
  std::int64_t in_flight = 0;  // places held
  std::int64_t waiting = 0;
  std::uint64_t admitted = 0;
  std::uint64_t full = 0;          // refused: no place, and no room in the queue
  std::uint64_t too_late = 0;      // refused: waited too long
  std::uint64_t would_refuse = 0;  // under `report_only`
  HistogramSum waits = {};         // of those that waited
};

void write_concurrency(Exposition& to, const std::vector<ConcurrencyMetrics>& limits);

}  // namespace lotagate::telemetry
