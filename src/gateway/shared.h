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
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace lotagate {

// Decisions of one rate-limit policy by one worker.
struct LimitCounters {
  telemetry::Counter allowed;
  telemetry::Counter refused;
};
// Policies (by name) of one process's life; the configuration allows no more at once.
inline constexpr std::uint32_t kMaxLimitSlots = 256;

struct Shared {
  telemetry::Metrics& metrics;
  telemetry::AccessLog& log;
  limit::BucketTable& buckets;
  std::string instance;  // our name in Via, unique to this process: seeing it again is a loop
  std::function<void(const access::RefetchRequest&)> request_key_refetch;
  ConnectionCaps connections;  // client connections of all workers
};

}  // namespace lotagate
