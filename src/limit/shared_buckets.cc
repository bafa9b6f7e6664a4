#include "limit/shared_buckets.h"

#include <list>
#include <mutex>
#include <utility>

#include "limit/bucket_table.h"

namespace lotagate::limit {

bool operator==(const SharedPolicy& a, const SharedPolicy& b) noexcept {
  return a.name == b.name && a.bucket.interval_ns == b.bucket.interval_ns && a.bucket.window_ns == b.bucket.window_ns &&
         a.bucket.burst == b.bucket.burst && a.most_debt == b.most_debt && a.on_failure == b.on_failure;
}

// For now every bucket is local.
class SharedBuckets::Impl {
 public:
  explicit Impl(const StoreSettings& settings) : table(settings.memory_bytes) {}
  BucketTable table;
  std::mutex mutex;
  std::list<SharedPolicy> policies;
};

SharedBuckets::SharedBuckets(StoreSettings settings, StoreHooks) : impl_(std::make_unique<Impl>(settings)) {}

SharedBuckets::~SharedBuckets() = default;

const SharedPolicy& SharedBuckets::policy(const SharedPolicy& policy) {
  std::lock_guard lock(impl_->mutex);
  for (const SharedPolicy& known : impl_->policies) {
    if (known == policy) return known;
  }
  return impl_->policies.emplace_back(policy);
}

SharedDecision SharedBuckets::take(std::uint64_t key, std::string_view, const SharedPolicy& policy, MonotonicTime now,
                                   std::uint32_t cost) noexcept {
  return {.decision = impl_->table.take(key, policy.bucket, now, cost), .local = true};
}

void SharedBuckets::settle(std::uint64_t, const SharedPolicy&, MonotonicTime, std::int64_t) noexcept {}

void SharedBuckets::reconfigure(StoreSettings) {}

StoreStats SharedBuckets::stats() const { return {.slots = impl_->table.stats().slots}; }

}  // namespace lotagate::limit
