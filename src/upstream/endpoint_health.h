// What all workers know together about one endpoint. A few relaxed atomics: a stale view costs one more attempt.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace lotagate::upstream {

class EndpointHealth {
 public:
  // Out of first choice until `until`.
  void suspect(MonotonicTime until) {
    suspect_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
  }
  void recovered() {
    if (suspect_until_.load(std::memory_order_relaxed) != 0) suspect_until_.store(0, std::memory_order_relaxed);
  }
  bool is_suspect(MonotonicTime now) const {
    return now.time_since_epoch().count() < suspect_until_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> suspect_until_{0};
};

}  // namespace lotagate::upstream
