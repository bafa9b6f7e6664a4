#include "telemetry/concurrency_metrics.h"

#include "telemetry/exposition.h"

namespace lotagate::telemetry {

void write_concurrency(Exposition& to, const std::vector<ConcurrencyMetrics>& limits) {
  to.family("concurrency_in_flight", "gauge", "Places of a concurrency limit that are held.");
  for (const ConcurrencyMetrics& limit : limits) to.sample({{"limit", limit.limit}}, limit.in_flight);
  to.family("concurrency_waiting", "gauge", "Requests that wait for a place.");
  for (const ConcurrencyMetrics& limit : limits) to.sample({{"limit", limit.limit}}, limit.waiting);
  to.family("concurrency_admitted_total", "counter", "Requests that got a place.");
  for (const ConcurrencyMetrics& limit : limits) to.sample({{"limit", limit.limit}}, limit.admitted);
  to.family("concurrency_refused_total", "counter", "Requests that got no place: none was free, or none in time.");
  for (const ConcurrencyMetrics& limit : limits) {
    to.sample({{"limit", limit.limit}, {"reason", "full"}}, limit.full);
    to.sample({{"limit", limit.limit}, {"reason", "timeout"}}, limit.too_late);
  }
  to.family("concurrency_would_refuse_total", "counter", "Requests that `report_only` let through.");
  for (const ConcurrencyMetrics& limit : limits) to.sample({{"limit", limit.limit}}, limit.would_refuse);
  to.family("concurrency_wait_seconds", "histogram", "How long requests waited that had to.");
  for (const ConcurrencyMetrics& limit : limits) to.histogram({{"limit", limit.limit}}, limit.waits);
}

}  // namespace lotagate::telemetry
