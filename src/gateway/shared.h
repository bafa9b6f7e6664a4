// What all workers of the process share. Owned by the Gateway, which outlives them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "access/authenticator.h"
#include "gateway/connection_caps.h"
#include "limit/bucket_table.h"
#include "limit/concurrency.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace lotagate::limit {
class SharedBuckets;
}  // namespace lotagate::limit

namespace lotagate {

// Decisions about one kind of bucket (a limit, or a case of one) by one worker.
struct LimitCounters {
  telemetry::Counter allowed;
  telemetry::Counter refused;
  telemetry::Counter would_refuse;  // under `report_only`: the request went on
  telemetry::Counter store_away;    // of a shared limit, and decided without the store
};

// Decisions under one concurrency limit by one worker.
struct ConcurrencyCounters {
  telemetry::Gauge in_flight;  // places held
  telemetry::Gauge waiting;
  telemetry::Counter admitted;
  telemetry::Counter full;          // refused: no place, and no room in the queue
  telemetry::Counter too_late;      // refused: waited too long
  telemetry::Counter would_refuse;  // under `report_only`: the request went on
  telemetry::Histogram waits;       // of those that waited, whatever came of it
};
// Limits (by name) of one process's life; when all are used, further ones are counted together.
inline constexpr std::uint32_t kMaxConcurrencySlots = 512;

struct Shared {
  telemetry::Metrics& metrics;
  telemetry::AccessLog& log;
  limit::BucketTable& buckets;
  limit::SharedBuckets* shared_buckets;  // null without a `limit_store`
  std::string instance;                  // our name in Via, unique to this process: seeing it again is a loop
  std::function<void(const access::RefetchRequest&)> request_key_refetch;
  ConnectionCaps connections;  // client connections of all workers
  limit::PlaceTable places = {};
};

}  // namespace lotagate
