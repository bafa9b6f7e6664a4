#include "access/role_directory.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/hash.h"

namespace lotagate::access {
namespace {

// Entries looked at to find one to evict: bounds the time under the lock; beyond it any that may go will do.
constexpr std::size_t kMaxEvictionSteps = 64;

// The hash is made once, outside the lock.
struct Key {
  std::string_view subject;
  std::uint64_t hash;
  bool operator==(const Key& other) const { return hash == other.hash && subject == other.subject; }
};
struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept { return key.hash; }
};

// Calls every waiter of a list that no one else can reach any more. A notified waiter may be gone.
void notify_all(DirectoryWaiter* waiter) noexcept {
  while (waiter != nullptr) {
    DirectoryWaiter* next = waiter->next;
    waiter->notify(waiter);
    waiter = next;
  }
}

}  // namespace

struct RoleDirectory::Entry {
  std::string subject;
  StoredGrant grant;
  MonotonicTime arrived{};  // when `grant` came
  MonotonicTime retry_at = MonotonicTime::min();
  std::uint64_t epoch = 0;         // of the look-up that brought `grant`
  std::uint64_t lookup_epoch = 0;  // of the look-up under way
  DirectoryWaiter* first_waiter = nullptr;
  DirectoryWaiter* last_waiter = nullptr;
  std::size_t ring_index = 0;
  std::uint32_t waiter_count = 0;
  bool has_grant = false;
  bool looking_up = false;
  bool superseded = false;  // invalidated since the look-up began
  bool referenced = false;

  void begin_lookup(std::uint64_t current_epoch) {
    looking_up = true;
    superseded = false;
    lookup_epoch = current_epoch;
  }

  bool queue(DirectoryWaiter* waiter, std::uint32_t max_waiters) {
    if (waiter == nullptr) return true;
    if (waiter_count >= max_waiters) return false;
    waiter->next = nullptr;
    (first_waiter == nullptr ? first_waiter : last_waiter->next) = waiter;
    last_waiter = waiter;
    ++waiter_count;
    return true;
  }

  DirectoryWaiter* take_waiters() {
    waiter_count = 0;
    return std::exchange(first_waiter, nullptr);
  }
};

// A cache line of its own, so that neighbours do not slow each other down.
struct alignas(64) RoleDirectory::Stripe {
  mutable std::mutex mutex;
  std::unordered_map<Key, std::unique_ptr<Entry>, KeyHash> entries;  // a key's text is its entry's
  std::vector<Entry*> ring;                                          // the same entries, for the clock's hand
  std::size_t hand = 0;
  RoleDirectoryStats stats;

  Entry* find(const Key& key) {
    auto found = entries.find(key);
    return found == entries.end() ? nullptr : found->second.get();
  }

  void erase(Entry& entry, std::uint64_t hash) {
    ring.back()->ring_index = entry.ring_index;
    ring[entry.ring_index] = ring.back();
    ring.pop_back();
    auto node = entries.extract(Key{entry.subject, hash});  // frees the entry after the map is done with its key
  }

  bool evict_one(std::uint64_t seed);
  Entry* find_or_add(const Key& key, std::size_t max_entries, std::uint64_t seed);
};

// Second chance; an entry with a look-up under way has waiters or a caller that will report, so it stays.
bool RoleDirectory::Stripe::evict_one(std::uint64_t seed) {
  Entry* victim = nullptr;
  std::size_t steps = std::min(2 * ring.size(), kMaxEvictionSteps);
  for (std::size_t i = 0; i < steps; ++i) {
    hand = (hand + 1) % ring.size();
    Entry* entry = ring[hand];
    if (entry->looking_up) continue;
    if (victim == nullptr) victim = entry;
    if (!std::exchange(entry->referenced, false)) {
      victim = entry;
      break;
    }
  }
  if (victim == nullptr) return false;
  erase(*victim, hash_bytes(victim->subject, seed));
  ++stats.evictions;
  return true;
}

RoleDirectory::Entry* RoleDirectory::Stripe::find_or_add(const Key& key, std::size_t max_entries, std::uint64_t seed) {
  if (Entry* entry = find(key)) return entry;
  if (ring.size() >= max_entries && !evict_one(seed)) return nullptr;
  auto owned = std::make_unique<Entry>();
  Entry* entry = owned.get();
  entry->subject = key.subject;
  entry->ring_index = ring.size();
  ring.push_back(entry);
  entries.emplace(Key{entry->subject, key.hash}, std::move(owned));
  return entry;
}

RoleDirectory::RoleDirectory(RoleDirectorySettings settings)
    : settings_(settings),
      max_entries_per_stripe_((settings.max_entries + kStripes - 1) / kStripes),
      seed_(process_hash_seed()),
      stripes_(std::make_unique<std::array<Stripe, kStripes>>()) {
  LG_CHECK(settings.max_entries > 0 && settings.fresh_for > milliseconds(0), "a role directory that can keep nothing");
}

RoleDirectory::~RoleDirectory() = default;

RoleDirectory::Stripe& RoleDirectory::stripe_of(std::uint64_t hash) const {
  // The map in the stripe uses the hash modulo a prime, so taking the top bits here keeps both independent.
  static_assert(kStripes == 64);
  return (*stripes_)[hash >> 58];
}

RoleDirectory::Found RoleDirectory::look(std::string_view subject, MonotonicTime now, DirectoryWaiter* waiter) {
  Key key{subject, hash_bytes(subject, seed_)};
  Stripe& stripe = stripe_of(key.hash);
  std::unique_lock lock(stripe.mutex);
  Entry* entry = stripe.find_or_add(key, max_entries_per_stripe_, seed_);
  if (entry == nullptr) {
    ++stripe.stats.unavailable;
    return {std::move(lock), DirectoryState::unavailable, nullptr};
  }
  DirectoryState state = decide(*entry, now, waiter);
  count(stripe.stats, state);
  bool visited =
      state == DirectoryState::fresh || state == DirectoryState::stale || state == DirectoryState::stale_refresh;
  if (visited) entry->referenced = true;
  return {std::move(lock), state, visited ? &entry->grant : nullptr};
}

DirectoryState RoleDirectory::decide(Entry& entry, MonotonicTime now, DirectoryWaiter* waiter) const {
  std::uint64_t epoch = epoch_.load(std::memory_order_acquire);
  if (entry.has_grant && entry.epoch == epoch) {
    auto age = now - entry.arrived;
    if (age < settings_.fresh_for) return DirectoryState::fresh;
    if (age < settings_.fresh_for + settings_.stale_for) {
      if (entry.looking_up || now < entry.retry_at) return DirectoryState::stale;
      entry.begin_lookup(epoch);
      return DirectoryState::stale_refresh;
    }
  }
  if (entry.looking_up) {
    return entry.queue(waiter, settings_.max_waiters) ? DirectoryState::wait : DirectoryState::unavailable;
  }
  if (now < entry.retry_at || !entry.queue(waiter, settings_.max_waiters)) return DirectoryState::unavailable;
  entry.begin_lookup(epoch);
  return DirectoryState::fetch;
}

void RoleDirectory::count(RoleDirectoryStats& stats, DirectoryState state) {
  switch (state) {
    case DirectoryState::fresh: ++stats.fresh; return;
    case DirectoryState::stale: ++stats.stale; return;
    case DirectoryState::stale_refresh:
      ++stats.stale;
      ++stats.lookups;
      return;
    case DirectoryState::fetch: ++stats.lookups; return;
    case DirectoryState::wait: ++stats.wait; return;
    case DirectoryState::unavailable: ++stats.unavailable; return;
  }
}

void RoleDirectory::complete(StoredGrant grant, MonotonicTime now) { end_lookup(grant.key(), &grant, now); }

void RoleDirectory::fail(std::string_view subject, MonotonicTime now) { end_lookup(subject, nullptr, now); }

// `grant` is null for a failure. Its old content is swapped out, so that freeing it happens outside the lock.
void RoleDirectory::end_lookup(std::string_view subject, StoredGrant* grant, MonotonicTime now) {
  Key key{subject, hash_bytes(subject, seed_)};
  Stripe& stripe = stripe_of(key.hash);
  DirectoryWaiter* waiters = nullptr;
  {
    std::lock_guard lock(stripe.mutex);
    Entry* entry = stripe.find(key);
    LG_CHECK(entry != nullptr && entry->looking_up, "the end of a look-up that nobody began");
    entry->looking_up = false;
    waiters = entry->take_waiters();
    bool current = !entry->superseded && entry->lookup_epoch == epoch_.load(std::memory_order_acquire);
    if (grant == nullptr) {
      entry->retry_at = now + settings_.retry_after;
      ++stripe.stats.failures;
    } else if (!current) {
      ++stripe.stats.superseded;
    } else {
      std::swap(entry->grant, *grant);
      entry->has_grant = true;
      entry->epoch = entry->lookup_epoch;
      entry->arrived = now;
      entry->retry_at = MonotonicTime::min();
    }
  }
  notify_all(waiters);
}

void RoleDirectory::invalidate(std::string_view subject) {
  Key key{subject, hash_bytes(subject, seed_)};
  Stripe& stripe = stripe_of(key.hash);
  std::lock_guard lock(stripe.mutex);
  Entry* entry = stripe.find(key);
  if (entry == nullptr) return;
  entry->has_grant = false;
  entry->superseded = true;
  entry->retry_at = MonotonicTime::min();
}

void RoleDirectory::invalidate_all() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

RoleDirectoryStats RoleDirectory::stats() const {
  RoleDirectoryStats total;
  for (const Stripe& stripe : *stripes_) {
    std::lock_guard lock(stripe.mutex);
    total.entries += stripe.ring.size();
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
