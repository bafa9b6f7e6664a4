// One of the role directory's parts: entries by key, bounded in number and bytes. Everything happens under its lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "access/access_grant.h"
#include "access/circuit_breaker.h"
#include "access/role_directory.h"
#include "base/clock.h"

namespace lotagate::access {

// A look-up under way and those who wait for it.
struct DirectoryLookup {
  CircuitBreaker::Permit permit;
  std::uint64_t epoch = 0;
  DirectoryWaiter* first = nullptr;
  DirectoryWaiter* last = nullptr;
  std::uint32_t waiters = 0;
  bool superseded = false;  // invalidated since it began

  bool queue(DirectoryWaiter* waiter, std::uint32_t max_waiters);
};

struct DirectoryEntry {
  DirectoryEntry* next = nullptr;  // in the same bucket
  std::uint64_t hash = 0;
  StoredGrant grant;        // from the beginning: it holds the key too
  MonotonicTime arrived{};  // when `grant` came
  MonotonicTime retry_at = MonotonicTime::min();
  std::uint64_t epoch = 0;  // of the look-up that brought `grant`
  std::unique_ptr<DirectoryLookup> lookup;
  std::uint32_t ring_index = 0;
  bool answered = false;  // `grant` is an answer, and not invalidated since
  bool known = false;     // the last answer was about somebody the service knows
  bool referenced = false;
};

// Entries whose user the service does not know, or has not told about yet, are apart from the others: beyond an eighth
// of the room they make room for each other. Whoever can make up subjects or API keys thus drives no known user out.
// Within its ring an entry that was asked for gets a second chance; one with a look-up under way stays, because it has
// waiters or a caller that will report.
class DirectoryStripe {
 public:
  DirectoryStripe() = default;
  ~DirectoryStripe();
  DirectoryStripe(const DirectoryStripe&) = delete;
  DirectoryStripe& operator=(const DirectoryStripe&) = delete;

  // Before anything else.
  void set_bounds(std::size_t max_entries, std::size_t max_bytes);

  DirectoryEntry* find(std::string_view key, std::uint64_t hash) const;
  // Null: no room, and nothing that may go.
  DirectoryEntry* find_or_add(std::string_view key, std::uint64_t hash);
  // Swaps `grant` into `entry`, so that what was there is freed outside the lock. False: no room for it.
  bool store(DirectoryEntry& entry, StoredGrant& grant);

  std::size_t size() const { return rings_[0].entries.size() + rings_[1].entries.size(); }
  std::size_t bytes() const { return bytes_; }

  mutable std::mutex mutex;
  RoleDirectoryStats stats;

 private:
  struct Ring {
    std::vector<DirectoryEntry*> entries;
    std::size_t hand = 0;
  };
  Ring& ring_of(const DirectoryEntry& entry) { return rings_[entry.known ? 1 : 0]; }
  void enter_ring(DirectoryEntry& entry);
  void leave_ring(DirectoryEntry& entry);
  bool make_room(std::size_t entries, std::size_t bytes);
  bool evict_one();
  static DirectoryEntry* find_victim(Ring& ring);
  void erase(DirectoryEntry& entry);
  void grow_buckets();
  DirectoryEntry** bucket_of(std::uint64_t hash) { return &buckets_[hash & (buckets_.size() - 1)]; }

  std::size_t max_entries_ = 1;
  std::size_t max_bytes_ = 0;
  std::size_t bytes_ = 0;
  std::vector<DirectoryEntry*> buckets_;  // a power of two of them; each begins a list of owned entries
  std::array<Ring, 2> rings_;             // the same entries, for the clocks' hands: unknown users, known users
};

}  // namespace lotagate::access
