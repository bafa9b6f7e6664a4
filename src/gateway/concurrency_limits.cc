#include "gateway/concurrency_limits.h"

#include <algorithm>

#include "gateway/worker.h"

namespace lotagate {

limit::ConcurrencyLimit& ConcurrencyLimits::named(const std::string& name) {
  auto number = std::min<std::size_t>(limits_.size(), kMaxConcurrencySlots - 1);
  return limits_.try_emplace(name, static_cast<std::uint32_t>(number)).first->second;
}

void ConcurrencyLimits::adopt(const config::Snapshot& snapshot, limit::PlaceTable& places, MonotonicTime now) {
  for (const config::CompiledConcurrency& limit : snapshot.concurrency) {
    limit.places->set(limit.rule.requests, limit.rule.queue);
  }
  places.regrant(now);
}

std::vector<telemetry::ConcurrencyMetrics> concurrency_metrics(const config::Snapshot& snapshot,
                                                               const std::vector<std::unique_ptr<Worker>>& workers) {
  std::vector<telemetry::ConcurrencyMetrics> out;
  for (const config::CompiledConcurrency& limit : snapshot.concurrency) {
    telemetry::ConcurrencyMetrics& sum = out.emplace_back();
    sum.limit = limit.rule.name;
    for (const auto& worker : workers) {
      const ConcurrencyCounters& counters = worker->concurrency_counters(limit.places->number());
      sum.in_flight += counters.in_flight.value();
      sum.waiting += counters.waiting.value();
      sum.admitted += counters.admitted.value();
      sum.full += counters.full.value();
      sum.too_late += counters.too_late.value();
      sum.would_refuse += counters.would_refuse.value();
      sum.waits.add(counters.waits);
    }
  }
  return out;
}

}  // namespace lotagate
