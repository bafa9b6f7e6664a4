#include "limit/lease_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

namespace lotagate::limit {

LeaseTable::LeaseTable(std::size_t memory_bytes)
    : set_count_(std::max<std::size_t>(memory_bytes / sizeof(Set), 1)),
      bytes_(set_count_ * sizeof(Set)),
      used_(set_count_ / kGroup + 1),
      stripes_storage_(std::make_unique<std::array<Stripe, kStripes>>()),
      stripes_(stripes_storage_->data()) {
  static_assert(kGroup * kWays <= UINT8_MAX);
  static_assert(sizeof(Lease) == 128 && std::is_trivially_copyable_v<Lease>);
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes_, MADV_HUGEPAGE);  // as in the bucket table: else most takes miss the TLB
  sets_ = static_cast<Set*>(memory);       // all zero: every slot is free
}

LeaseTable::~LeaseTable() { munmap(sets_, bytes_); }

std::size_t LeaseTable::next_used(std::size_t index) const noexcept {
  while (index < set_count_ && used_[index / kGroup].load(std::memory_order_relaxed) == 0) {
    index = (index / kGroup + 1) * kGroup;
  }
  return std::min(index, set_count_);
}

LeaseTable::Locked LeaseTable::find(std::uint64_t key) noexcept {
  if (key == 0) key = 1;
  const std::size_t index = set_of(key);
  Set& set = sets_[index];
  Locked found{.lock = std::unique_lock(lock_of(index))};
  for (std::size_t way = 0; way < kWays; ++way) {
    if (set.keys[way] == key) found.lease = &set.leases[way];
  }
  return found;
}

LeaseTable::Locked LeaseTable::find_or_enter(std::uint64_t key, const LeaseView& view, std::uint64_t now_ns) noexcept {
  if (key == 0) key = 1;
  Locked found = find(key);
  if (found.lease != nullptr) return found;
  Set& set = sets_[set_of(key)];
  std::size_t victim = kWays;
  std::uint64_t least = UINT64_MAX;
  for (std::size_t way = 0; way < kWays; ++way) {
    if (set.keys[way] == 0) {
      victim = way;
      break;
    }
    const std::uint64_t worth = lease_worth(set.leases[way], view, now_ns);
    if (worth >= least) continue;
    least = worth;
    victim = way;
  }
  if (victim == kWays) return found;
  if (set.keys[victim] == 0) {
    occupied_.fetch_add(1, std::memory_order_relaxed);
    used_[set_of(key) / kGroup].fetch_add(1, std::memory_order_relaxed);
  } else if (least > 0) {
    evictions_.fetch_add(1, std::memory_order_relaxed);
    kind_of(kinds_, set.leases[victim].policy->bucket).evictions.fetch_add(1, std::memory_order_relaxed);
  }
  set.keys[victim] = key;
  set.leases[victim] = Lease{};
  found.lease = &set.leases[victim];
  found.entered = true;
  return found;
}

bool LeaseQueue::push(std::uint64_t key) noexcept {
  bool notify = false;
  {
    std::lock_guard lock(mutex_);
    if (count_ == keys_.size()) return false;
    keys_[(first_ + count_++) % keys_.size()] = key;
    notify = std::exchange(waiting_, false);
  }
  if (notify) changed_.notify_one();
  return true;
}

void LeaseQueue::pop(std::vector<std::uint64_t>& keys, std::size_t most) {
  std::lock_guard lock(mutex_);
  for (std::size_t n = std::min(most, count_); n > 0; --n) {
    keys.push_back(keys_[first_]);
    first_ = (first_ + 1) % keys_.size();
    --count_;
  }
}

void LeaseQueue::wait(nanoseconds time) {
  std::unique_lock lock(mutex_);
  waiting_ = true;
  changed_.wait_for(lock, time, [this] { return woken_ || count_ > 0; });
  waiting_ = woken_ = false;
}

void LeaseQueue::wake() noexcept {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

}  // namespace lotagate::limit
