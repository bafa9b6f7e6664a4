// Token buckets that many gateways share, without a request ever waiting for the store: each gateway leases slices of a
// bucket ahead of need, and spends them by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "limit/bucket.h"
#include "limit/shared_policy.h"

namespace lotagate::limit {

struct SharedDecision {
  BucketDecision decision;   // `remaining` and `reset` are estimates from what the store said last
  bool unavailable = false;  // refused because the store is away and the policy says closed
  bool local = false;        // answered without the store: it is away, or there was no room for the key
};

// What the buckets need from around them.
struct StoreHooks {
  // One line when the store goes away (`warning`), one when it is back. Called by the keeper's thread.
  std::function<void(bool warning, std::string_view line)> log = [](bool, std::string_view) {};
  // The clock of the `now` that callers pass to take.
  std::function<MonotonicTime()> clock = [] { return std::chrono::steady_clock::now(); };
};

class SharedBuckets {
 public:
  // Starts the keeper thread, and waits a moment (at most 5 timeouts) for the store's first answer, so that the first
  // requests know how many gateways share their limits. A store that is not there is no error. Throws std::bad_alloc.
  explicit SharedBuckets(StoreSettings settings, StoreHooks hooks = {});
  // Gives back every lease (at most some 10 timeouts long) and leaves the list of gateways.
  ~SharedBuckets();
  SharedBuckets(const SharedBuckets&) = delete;
  SharedBuckets& operator=(const SharedBuckets&) = delete;

  // The one copy of `policy` that takes refer to. It lives as long as this object; equal ones are the same. Allocates;
  // for the control thread, any thread may.
  const SharedPolicy& policy(const SharedPolicy& policy);

  // Takes `cost` tokens. Any thread; never waits for the network, never allocates. `policy` is one of policy().
  // `key` is a secret, well mixed hash of the identity under the policy (limit_key.h); `identity` are the bytes that
  // name the bucket for all gateways, read only when the key is new here. `cost` 0 asks without taking.
  SharedDecision take(std::uint64_t key, std::string_view identity, const SharedPolicy& policy, MonotonicTime now,
                      std::uint32_t cost = 1) noexcept;

  // What a take cost after all: above 0 charges more, into debt if need be; below 0 gives back. A key that was
  // forgotten meanwhile is left alone.
  void settle(std::uint64_t key, const SharedPolicy& policy, MonotonicTime now, std::int64_t tokens) noexcept;

  // After a reload: other servers, credentials or times. Leases and debts stay. Control thread.
  void reconfigure(StoreSettings settings);

  StoreStats stats() const;                                       // any thread
  SharedKindStats kind_stats(std::uint16_t kind) const noexcept;  // any thread

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lotagate::limit
