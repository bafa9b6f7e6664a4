#include "limit/shared_buckets.h"

#include <openssl/evp.h>

#include <array>
#include <atomic>
#include <cstring>
#include <list>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "limit/bucket_table.h"
#include "limit/lease.h"
#include "limit/lease_keeper.h"
#include "limit/lease_table.h"

namespace lotagate::limit {
namespace {

constexpr nanoseconds kRetryClosed = seconds(1);

// The same on every gateway, so not keyed: the first half of SHA-256, which nobody can find two identities for.
std::array<std::uint64_t, 2> store_id(std::string_view identity) noexcept {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  const int done = EVP_Digest(identity.data(), identity.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  LG_CHECK(done == 1, "no SHA-256");
  std::array<std::uint64_t, 2> id{};
  for (std::size_t i = 0; i < 16; ++i) id[i / 8] = id[i / 8] << 8 | digest[i];
  return id;
}

}  // namespace

bool operator==(const SharedPolicy& a, const SharedPolicy& b) noexcept {
  return a.name == b.name && a.bucket.interval_ns == b.bucket.interval_ns && a.bucket.window_ns == b.bucket.window_ns &&
         a.bucket.burst == b.bucket.burst && a.most_debt == b.most_debt && a.on_failure == b.on_failure;
}

class SharedBuckets::Impl {
 public:
  Impl(StoreSettings settings, StoreHooks hooks)
      : table(settings.memory_bytes - settings.memory_bytes / 8),
        queue(table.slots()),
        crowd(settings.memory_bytes / 16),
        keeper(std::move(settings), std::move(hooks), table, queue) {}

  // No room for the key: a bucket of this gateway's share, outside of the leases. What it admits is not charged. While
  // the store is away the policy decides, as for keys that have room: there is none as soon as a flood of other keys
  // waits to be charged.
  SharedDecision take_without_lease(std::uint64_t key, const SharedPolicy& policy, const LeaseView& view,
                                    MonotonicTime now, std::uint32_t cost) noexcept {
    no_room.fetch_add(1, std::memory_order_relaxed);
    const BucketPolicy local = lease_local_policy(policy.bucket, view.gateways);
    SharedDecision answer{.decision = {}, .local = true};
    if (!view.up && policy.on_failure == StoreFailure::closed) {
      answer.decision = {.allowed = false, .remaining = 0, .retry_after = kRetryClosed, .reset = kRetryClosed};
      answer.unavailable = true;
      return answer;
    }
    answer.decision = crowd.take(key, local, now, std::min(cost, local.burst));
    if (!view.up && policy.on_failure == StoreFailure::open) answer.decision.allowed = true;
    return answer;
  }

  LeaseTable table;
  LeaseQueue queue;
  BucketTable crowd;
  std::atomic<std::uint64_t> no_room{0};
  std::mutex mutex;  // of the policies
  std::list<SharedPolicy> policies;
  LeaseKeeper keeper;
};

SharedBuckets::SharedBuckets(StoreSettings settings, StoreHooks hooks) {
  const milliseconds patience = 5 * settings.timeout;
  impl_ = std::make_unique<Impl>(std::move(settings), std::move(hooks));
  impl_->keeper.wait_for_first_answer(patience);
}

SharedBuckets::~SharedBuckets() = default;

const SharedPolicy& SharedBuckets::policy(const SharedPolicy& policy) {
  std::lock_guard lock(impl_->mutex);
  for (const SharedPolicy& known : impl_->policies) {
    if (known == policy) return known;
  }
  return impl_->policies.emplace_back(policy);
}

SharedDecision SharedBuckets::take(std::uint64_t key, std::string_view identity, const SharedPolicy& policy,
                                   MonotonicTime now, std::uint32_t cost) noexcept {
  const LeaseView view = impl_->keeper.view();
  const std::uint64_t now_ns = bucket_clock_ns(now);
  LeaseTable::Locked found = cost == 0 ? impl_->table.find(key) : impl_->table.find_or_enter(key, view, now_ns);
  if (found.lease == nullptr) {
    if (cost > 0) return impl_->take_without_lease(key, policy, view, now, cost);
    return {.decision = bucket_step(policy.bucket, 0, now, 0).decision};  // not known here: perhaps full
  }
  Lease& lease = *found.lease;
  if (found.entered) {
    lease.id = store_id(identity);
    lease.policy = &policy;
  } else if (lease.policy != &policy) {
    lease_adopt(lease, policy);
  }
  const SharedDecision decision = lease_take(lease, view, now_ns, cost);
  if (view.up && lease_may_ask(lease)) lease.queued = impl_->queue.push(key);
  return decision;
}

void SharedBuckets::settle(std::uint64_t key, const SharedPolicy& policy, MonotonicTime now,
                           std::int64_t tokens) noexcept {
  if (tokens == 0) return;
  const LeaseView view = impl_->keeper.view();
  LeaseTable::Locked found = impl_->table.find(key);
  if (found.lease == nullptr) return;
  Lease& lease = *found.lease;
  if (lease.policy != &policy) lease_adopt(lease, policy);
  lease_settle(lease, view, bucket_clock_ns(now), tokens);
  if (view.up && lease_may_ask(lease)) lease.queued = impl_->queue.push(key);
}

void SharedBuckets::reconfigure(StoreSettings settings) { impl_->keeper.reconfigure(std::move(settings)); }

StoreStats SharedBuckets::stats() const {
  StoreStats stats;
  impl_->keeper.report(stats);
  stats.keys = impl_->table.occupied();
  stats.slots = impl_->table.slots();
  stats.evictions = impl_->table.evictions();
  stats.no_room = impl_->no_room.load(std::memory_order_relaxed);
  return stats;
}

SharedKindStats SharedBuckets::kind_stats(std::uint16_t kind) const noexcept {
  const SharedKind& counts = impl_->table.kinds()[kind % BucketTable::kMaxKinds];
  const std::uint64_t oldest_ns = counts.oldest_ns.load(std::memory_order_relaxed);
  return {.keys = counts.keys.load(std::memory_order_relaxed),
          .evictions = counts.evictions.load(std::memory_order_relaxed),
          .calls = counts.calls.load(std::memory_order_relaxed),
          .oldest_lease = nanoseconds(static_cast<nanoseconds::rep>(oldest_ns))};
}

}  // namespace lotagate::limit
