// All leases of the process: a fixed piece of memory.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "limit/lease.h"
#include "limit/shared_kinds.h"

namespace lotagate::limit {

// A set-associative hash table: a set is a line of eight keys and their eight leases of 128 bytes. Sets share locks,
// held for some tens of nanoseconds and never while anything is waited for.
//
// A new key in a full set takes the place of the lease whose forgetting gives least away: full buckets first, then by
// the used share. One that has something to charge or to give back, or a call under way, stays: forgetting it would
// admit what was not paid for. When all eight are such there is no room. They are paid for within milliseconds while
// the store answers; while it is away they stay until they have been refilled.
class LeaseTable {
 public:
  static constexpr std::size_t kWays = 8;

  // Throws std::bad_alloc.
  explicit LeaseTable(std::size_t memory_bytes);
  ~LeaseTable();
  LeaseTable(const LeaseTable&) = delete;
  LeaseTable& operator=(const LeaseTable&) = delete;

  // A lease with its lock; `lease` is null if it is not there.
  struct Locked {
    std::unique_lock<std::mutex> lock;
    Lease* lease = nullptr;
    bool entered = false;  // all zero: the caller gives it its id and policy
  };
  Locked find(std::uint64_t key) noexcept;
  // Null if there is no room.
  Locked find_or_enter(std::uint64_t key, const LeaseView& view, std::uint64_t now_ns) noexcept;

  std::size_t sets() const noexcept { return set_count_; }
  std::size_t slots() const noexcept { return set_count_ * kWays; }
  std::uint64_t occupied() const noexcept { return occupied_.load(std::memory_order_relaxed); }
  std::uint64_t evictions() const noexcept { return evictions_.load(std::memory_order_relaxed); }
  SharedKinds& kinds() noexcept { return kinds_; }

  // The first set from `index` on that may have a lease in it; sets() if there is none. Large tables are mostly empty,
  // and looking at each of the 3 million sets of 4 GiB takes 26 ms even if none was ever used.
  std::size_t next_used(std::size_t index) const noexcept;

  // Calls visit(key, lease) for all of set `index`, under its lock; the lease is forgotten if that returns false.
  template <typename Visit>
  void visit_set(std::size_t index, Visit visit) {
    Set& set = sets_[index];
    std::lock_guard lock(lock_of(index));
    for (std::size_t way = 0; way < kWays; ++way) {
      if (set.keys[way] == 0 || visit(set.keys[way], set.leases[way])) continue;
      set.keys[way] = 0;
      occupied_.fetch_sub(1, std::memory_order_relaxed);
      used_[index / kGroup].fetch_sub(1, std::memory_order_relaxed);
    }
  }

 private:
  struct alignas(64) Set {
    std::array<std::uint64_t, kWays> keys;  // 0: free
    std::array<Lease, kWays> leases;
  };
  struct alignas(64) Stripe {
    std::mutex mutex;
  };
  static constexpr std::size_t kStripes = 1024;
  static constexpr std::size_t kGroup = 16;  // sets; their leases are counted together

  // The high half chooses the set (multiply and shift: any number of sets).
  std::size_t set_of(std::uint64_t key) const noexcept { return (key >> 32) * set_count_ >> 32; }
  std::mutex& lock_of(std::size_t set) noexcept { return stripes_[set % kStripes].mutex; }

  Set* sets_ = nullptr;
  std::size_t set_count_ = 0;
  std::size_t bytes_ = 0;
  std::vector<std::atomic<std::uint8_t>> used_;  // leases of each group
  std::unique_ptr<std::array<Stripe, kStripes>> stripes_storage_;
  Stripe* stripes_ = nullptr;
  alignas(64) std::atomic<std::uint64_t> occupied_{0};
  std::atomic<std::uint64_t> evictions_{0};
  SharedKinds kinds_;
};

// Keys that the keeper is to look at, in order. Fixed memory.
class LeaseQueue {
 public:
  explicit LeaseQueue(std::size_t capacity) : keys_(capacity) {}

  // False if it is full. Any thread.
  bool push(std::uint64_t key) noexcept;
  // Moves at most `most` keys to the end of `keys`. For the keeper.
  void pop(std::vector<std::uint64_t>& keys, std::size_t most);
  // Until there is a key, wake() was called, or `time` is over. For the keeper.
  void wait(nanoseconds time);
  void wake() noexcept;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> keys_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  bool waiting_ = false;
  bool woken_ = false;
};

}  // namespace lotagate::limit
