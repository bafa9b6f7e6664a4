#include "access/role_directory.h"

#include <algorithm>

#include "access/role_directory_stripe.h"
#include "base/check.h"
#include "base/hash.h"

namespace lotagate::access {
namespace {

// Calls every waiter of a list that no one else can reach any more. A notified waiter may be gone.
void notify_all(DirectoryWaiter* waiter) noexcept {
  while (waiter != nullptr) {
    DirectoryWaiter* next = waiter->next;
    waiter->notify(waiter);
    waiter = next;
  }
}

// A stripe's part of a bound on the whole, rounded up.
std::size_t share(std::size_t whole, std::size_t stripes) { return (whole + stripes - 1) / stripes; }

}  // namespace

// A cache line of its own, so that neighbours do not slow each other down.
struct alignas(64) RoleDirectory::PaddedStripe {
  DirectoryStripe stripe;
};

RoleDirectory::RoleDirectory(RoleDirectorySettings settings, std::shared_ptr<CircuitBreaker> breaker)
    : settings_(settings),
      breaker_(std::move(breaker)),
      seed_(process_hash_seed()),
      stripes_(std::make_unique<PaddedStripe[]>(kStripes)) {
  LG_CHECK(settings.max_entries > 0 && settings.fresh_for > milliseconds(0), "a role directory that can keep nothing");
  LG_CHECK(settings.max_bytes >= kMinDirectoryBytes, "a role directory without room for an answer");
  settings_.unknown_for = std::min(settings.unknown_for, settings.fresh_for);
  if (!breaker_) breaker_ = std::make_shared<CircuitBreaker>();
  for (std::size_t i = 0; i < kStripes; ++i) {
    stripes_[i].stripe.set_bounds(share(settings.max_entries, kStripes), share(settings.max_bytes, kStripes));
  }
}

RoleDirectory::~RoleDirectory() = default;

DirectoryStripe& RoleDirectory::stripe_of(std::uint64_t hash) const {
  // A stripe finds its buckets by the low bits, so taking the top ones here keeps both independent.
  static_assert(kStripes == 64);
  return stripes_[hash >> 58].stripe;
}

RoleDirectory::Found RoleDirectory::look(std::string_view subject, MonotonicTime now, DirectoryWaiter* waiter) {
  std::uint64_t hash = hash_bytes(subject, seed_);
  DirectoryStripe& stripe = stripe_of(hash);
  std::unique_lock lock(stripe.mutex);
  DirectoryEntry* entry = stripe.find_or_add(subject, hash);
  if (entry == nullptr) {
    ++stripe.stats.unavailable;
    return {std::move(lock), DirectoryState::unavailable, nullptr};
  }
  DirectoryState state = decide(*entry, now, waiter);
  count(stripe.stats, state, waiter != nullptr);
  bool visited =
      state == DirectoryState::fresh || state == DirectoryState::stale || state == DirectoryState::stale_refresh;
  if (visited) entry->referenced = true;
  return {std::move(lock), state, visited ? &entry->grant : nullptr};
}

DirectoryState RoleDirectory::decide(DirectoryEntry& entry, MonotonicTime now, DirectoryWaiter* waiter) {
  std::uint64_t epoch = epoch_.load(std::memory_order_acquire);
  if (entry.answered && entry.epoch == epoch) {
    auto age = now - entry.arrived;
    if (age < (entry.known ? settings_.fresh_for : settings_.unknown_for)) return DirectoryState::fresh;
    // An unknown user may have been created since: that is not an answer to go on with.
    if (entry.known && age < settings_.fresh_for + settings_.stale_for) {
      bool refreshes = entry.lookup == nullptr && now >= entry.retry_at && begin_lookup(entry, now, epoch);
      return refreshes ? DirectoryState::stale_refresh : DirectoryState::stale;
    }
  }
  if (entry.lookup != nullptr) {
    return entry.lookup->queue(waiter, settings_.max_waiters) ? DirectoryState::wait : DirectoryState::unavailable;
  }
  if (now < entry.retry_at || !begin_lookup(entry, now, epoch)) return DirectoryState::unavailable;
  entry.lookup->queue(waiter, settings_.max_waiters);
  return DirectoryState::fetch;
}

// False: too many are under way, or the breaker is open.
bool RoleDirectory::begin_lookup(DirectoryEntry& entry, MonotonicTime now, std::uint64_t epoch) {
  if (lookups_under_way_.fetch_add(1, std::memory_order_relaxed) < settings_.max_lookups) {
    if (auto permit = breaker_->begin(now)) {
      entry.lookup = std::make_unique<DirectoryLookup>(DirectoryLookup{.permit = *permit, .epoch = epoch});
      return true;
    }
  }
  lookups_under_way_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void RoleDirectory::count(RoleDirectoryStats& stats, DirectoryState state, bool queued) {
  switch (state) {
    case DirectoryState::fresh: ++stats.fresh; return;
    case DirectoryState::stale: ++stats.stale; return;
    case DirectoryState::stale_refresh:
      ++stats.stale;
      ++stats.lookups;
      return;
    case DirectoryState::fetch:
      ++stats.lookups;
      stats.wait += queued;
      return;
    case DirectoryState::wait: stats.wait += queued; return;
    case DirectoryState::unavailable: ++stats.unavailable; return;
  }
}

void RoleDirectory::complete(StoredGrant grant, MonotonicTime now) {
  std::uint64_t hash = hash_bytes(grant.key(), seed_);
  DirectoryStripe& stripe = stripe_of(hash);
  std::unique_ptr<DirectoryLookup> lookup;
  {
    std::lock_guard lock(stripe.mutex);
    DirectoryEntry& entry = looked_up(stripe, grant.key(), hash);
    keep(stripe, entry, grant, now);
    lookup = std::move(entry.lookup);
  }
  breaker_->succeeded(lookup->permit);
  end_lookup(*lookup);
}

void RoleDirectory::fail(std::string_view subject, MonotonicTime now, LookupFailure failure) {
  std::uint64_t hash = hash_bytes(subject, seed_);
  DirectoryStripe& stripe = stripe_of(hash);
  std::unique_ptr<DirectoryLookup> lookup;
  {
    std::lock_guard lock(stripe.mutex);
    DirectoryEntry& entry = looked_up(stripe, subject, hash);
    entry.retry_at = now + settings_.retry_after;
    ++stripe.stats.failures;
    lookup = std::move(entry.lookup);
  }
  switch (failure) {
    case LookupFailure::service: breaker_->failed(lookup->permit, now); break;
    // One user's odd answer must not shut everybody else out.
    case LookupFailure::answer: breaker_->succeeded(lookup->permit); break;
    case LookupFailure::not_asked: breaker_->abandoned(lookup->permit); break;
  }
  end_lookup(*lookup);
}

DirectoryEntry& RoleDirectory::looked_up(DirectoryStripe& stripe, std::string_view subject, std::uint64_t hash) {
  DirectoryEntry* entry = stripe.find(subject, hash);
  LG_CHECK(entry != nullptr && entry->lookup != nullptr, "the end of a look-up that nobody began");
  return *entry;
}

// What `grant` held is in the entry then, and the other way round.
void RoleDirectory::keep(DirectoryStripe& stripe, DirectoryEntry& entry, StoredGrant& grant, MonotonicTime now) {
  bool current = !entry.lookup->superseded && entry.lookup->epoch == epoch_.load(std::memory_order_acquire);
  if (!current) {
    ++stripe.stats.superseded;
  } else if (stripe.store(entry, grant)) {
    entry.answered = true;
    entry.epoch = entry.lookup->epoch;
    entry.arrived = now;
    entry.retry_at = MonotonicTime::min();
  } else {
    ++stripe.stats.failures;
    entry.retry_at = now + settings_.retry_after;
  }
}

// Waiters come last: they may ask again at once.
void RoleDirectory::end_lookup(const DirectoryLookup& lookup) {
  lookups_under_way_.fetch_sub(1, std::memory_order_relaxed);
  notify_all(lookup.first);
}

void RoleDirectory::invalidate(std::string_view subject) {
  std::uint64_t hash = hash_bytes(subject, seed_);
  DirectoryStripe& stripe = stripe_of(hash);
  std::lock_guard lock(stripe.mutex);
  DirectoryEntry* entry = stripe.find(subject, hash);
  if (entry == nullptr) return;
  entry->answered = false;
  entry->retry_at = MonotonicTime::min();
  if (entry->lookup) entry->lookup->superseded = true;
}

void RoleDirectory::invalidate_all() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

RoleDirectoryStats RoleDirectory::stats() const {
  RoleDirectoryStats total;
  total.lookups_under_way = lookups_under_way_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kStripes; ++i) {
    const DirectoryStripe& stripe = stripes_[i].stripe;
    std::lock_guard lock(stripe.mutex);
    total.entries += stripe.size();
    total.bytes += stripe.bytes();
    total.fresh += stripe.stats.fresh;
    total.stale += stripe.stats.stale;
    total.wait += stripe.stats.wait;
    total.unavailable += stripe.stats.unavailable;
    total.lookups += stripe.stats.lookups;
    total.failures += stripe.stats.failures;
    total.superseded += stripe.stats.superseded;
    total.evictions += stripe.stats.evictions;
  }
  return total;
}

}  // namespace lotagate::access
