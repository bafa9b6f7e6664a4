#include "access/role_directory_stripe.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace lotagate::access {
namespace {

// Entries looked at to find one to evict: bounds the time under the lock; beyond it any that may go will do.
constexpr std::size_t kMaxEvictionSteps = 64;
constexpr std::size_t kFirstBuckets = 16;
// Of the room, for users that the service does not know or has not told about.
constexpr std::size_t kUnknownShare = 8;

// What malloc adds to an allocation, on average: a word of its own and rounding up to 16.
constexpr std::size_t kAllocationBytes = 16;
// An entry with its places in a ring and among the buckets, both of which are grown by doubling.
constexpr std::size_t kEntryBytes = sizeof(DirectoryEntry) + kAllocationBytes + 3 * sizeof(void*);

std::size_t bytes_of(const StoredGrant& grant) { return grant.bytes() + kAllocationBytes; }

}  // namespace

bool DirectoryLookup::queue(DirectoryWaiter* waiter, std::uint32_t max_waiters) {
  if (waiter == nullptr) return true;
  if (waiters >= max_waiters) return false;
  waiter->next = nullptr;
  (first == nullptr ? first : last->next) = waiter;
  last = waiter;
  ++waiters;
  return true;
}

DirectoryStripe::~DirectoryStripe() {
  for (const Ring& ring : rings_) {
    for (DirectoryEntry* entry : ring.entries) delete entry;
  }
}

void DirectoryStripe::set_bounds(std::size_t max_entries, std::size_t max_bytes) {
  max_entries_ = max_entries;
  max_bytes_ = max_bytes;
  buckets_.resize(kFirstBuckets);
}

DirectoryEntry* DirectoryStripe::find(std::string_view key, std::uint64_t hash) const {
  DirectoryEntry* entry = buckets_[hash & (buckets_.size() - 1)];
  while (entry != nullptr && entry->hash != hash) entry = entry->next;
  if (entry == nullptr) return nullptr;
  entry->grant.prefetch();
  while (entry != nullptr && !(entry->hash == hash && entry->grant.key() == key)) entry = entry->next;
  return entry;
}

DirectoryEntry* DirectoryStripe::find_or_add(std::string_view key, std::uint64_t hash) {
  if (DirectoryEntry* entry = find(key, hash)) return entry;
  StoredGrant nothing = unknown_grant(key);
  std::size_t bytes = kEntryBytes + bytes_of(nothing);
  if (!make_room(1, bytes)) return nullptr;
  auto owned = std::make_unique<DirectoryEntry>();
  owned->hash = hash;
  owned->grant = std::move(nothing);
  if (size() >= buckets_.size()) grow_buckets();
  enter_ring(*owned);
  bytes_ += bytes;
  DirectoryEntry** bucket = bucket_of(hash);
  owned->next = *bucket;
  *bucket = owned.release();
  return *bucket;
}

bool DirectoryStripe::store(DirectoryEntry& entry, StoredGrant& grant) {
  LG_CHECK(entry.lookup != nullptr, "an answer that nobody asked for could evict its own entry");
  std::size_t before = bytes_of(entry.grant);
  std::size_t after = bytes_of(grant);
  if (after > before && !make_room(0, after - before)) return false;
  bytes_ = bytes_ - before + after;
  std::swap(entry.grant, grant);
  bool known = !entry.grant.view().unknown;
  if (known != entry.known) {
    leave_ring(entry);
    entry.known = known;
    enter_ring(entry);
  }
  return true;
}

void DirectoryStripe::enter_ring(DirectoryEntry& entry) {
  Ring& ring = ring_of(entry);
  entry.ring_index = static_cast<std::uint32_t>(ring.entries.size());
  ring.entries.push_back(&entry);
}

void DirectoryStripe::leave_ring(DirectoryEntry& entry) {
  Ring& ring = ring_of(entry);
  ring.entries.back()->ring_index = entry.ring_index;
  ring.entries[entry.ring_index] = ring.entries.back();
  ring.entries.pop_back();
}

bool DirectoryStripe::make_room(std::size_t entries, std::size_t bytes) {
  while (size() + entries > max_entries_ || bytes_ + bytes > max_bytes_) {
    if (!evict_one()) return false;
  }
  return true;
}

bool DirectoryStripe::evict_one() {
  auto& [unknown, known] = rings_;
  bool unknown_first = unknown.entries.size() > max_entries_ / kUnknownShare || known.entries.empty();
  DirectoryEntry* victim = find_victim(unknown_first ? unknown : known);
  if (victim == nullptr) victim = find_victim(unknown_first ? known : unknown);
  if (victim == nullptr) return false;
  erase(*victim);
  ++stats.evictions;
  return true;
}

DirectoryEntry* DirectoryStripe::find_victim(Ring& ring) {
  DirectoryEntry* victim = nullptr;
  std::size_t steps = std::min(2 * ring.entries.size(), kMaxEvictionSteps);
  for (std::size_t i = 0; i < steps; ++i) {
    ring.hand = (ring.hand + 1) % ring.entries.size();
    DirectoryEntry* entry = ring.entries[ring.hand];
    if (entry->lookup != nullptr) continue;
    if (victim == nullptr) victim = entry;
    if (!std::exchange(entry->referenced, false)) return entry;
  }
  return victim;
}

void DirectoryStripe::erase(DirectoryEntry& entry) {
  leave_ring(entry);
  bytes_ -= kEntryBytes + bytes_of(entry.grant);
  DirectoryEntry** link = bucket_of(entry.hash);
  while (*link != &entry) link = &(*link)->next;
  *link = entry.next;
  delete &entry;
}

// Moves all entries under the lock: at most some thousand in a stripe, and that seldom.
void DirectoryStripe::grow_buckets() {
  std::vector<DirectoryEntry*> old = std::move(buckets_);
  buckets_.assign(2 * old.size(), nullptr);
  for (DirectoryEntry* entry : old) {
    while (entry != nullptr) {
      DirectoryEntry* next = entry->next;
      DirectoryEntry** bucket = bucket_of(entry->hash);
      entry->next = *bucket;
      *bucket = entry;
      entry = next;
    }
  }
}

}  // namespace lotagate::access
