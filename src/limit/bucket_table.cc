#include "limit/bucket_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

// How a key gets its one bucket.
//
//   - Nobody finds the key: a thread places {key, mark | ticket} in the slot of the victim. Tickets are unique, so a
//     compare-exchange that expects a tentative entry can only hit that very entry, never a later one that looks alike.
//   - Whoever finds the key tentative in slot j and nowhere as a bucket (the one who placed it, too) then looks at the
//   other
//     slots. Another entry of the key that is a bucket, or tentative in a lower slot: the one in j is removed. One that
//     is tentative in a higher slot: that one is removed. If none is left, the entry in j is exchanged for a bucket.
//   - Whoever finds the key's bucket removes the tentative entries of the key that it sees. So whoever placed one
//   leaves
//     no tentative entry behind when its take returns.
//   - All slot accesses are sequentially consistent (plain loads on x86), so of two placements one is first for all.
//
// Two buckets of a key in slots a < b would need both entries placed and then exchanged. Whoever exchanged the entry
// that was placed later had looked at the other slot after that placement, so it saw the other entry there, as a bucket
// or tentative. If the later one is in b, seeing a means removing b. If the later one is in a, seeing a bucket in b
// means removing a, and seeing b tentative means removing b or starting over. So one of them was not exchanged.

namespace lotagate::limit {
namespace {

constexpr std::uint64_t kTentative = 1ull << 63;  // never set in a time: bucket.h keeps those below 2^62
// The low bits of a slot's key are its kind.
constexpr std::uint64_t kKindMask = BucketTable::kMaxKinds - 1;

__extension__ typedef unsigned __int128 __attribute__((may_alias)) Word128;

bool same_key(std::uint64_t a, std::uint64_t b) noexcept { return ((a ^ b) & ~kKindMask) == 0; }

bool is_tentative(std::uint64_t full_at) noexcept { return (full_at & kTentative) != 0; }

std::uint64_t tag_of(std::uint64_t key, const BucketPolicy& policy) noexcept {
  std::uint64_t tag = key & ~kKindMask;
  if (tag == 0) tag = kKindMask + 1;  // 0 is the empty slot
  return tag | (policy.kind & kKindMask);
}

// The key is read first: a key that is seen was there before its time was read.
template <typename Slot>
Slot load(const Slot& slot) noexcept {
  std::uint64_t key = __atomic_load_n(&slot.key, __ATOMIC_SEQ_CST);
  return {key, __atomic_load_n(&slot.full_at, __ATOMIC_SEQ_CST)};
}

template <typename Slot>
bool exchange(Slot& slot, const Slot& expected, const Slot& desired) noexcept {
  auto old = std::bit_cast<Word128>(expected);
  return __atomic_compare_exchange_n(reinterpret_cast<Word128*>(&slot), &old, std::bit_cast<Word128>(desired), false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

}  // namespace

struct BucketTable::Take {
  std::uint64_t tag;
  const BucketPolicy& policy;
  MonotonicTime now;
  std::int64_t tokens;
  bool settles;  // after the fact, without asking

  BucketStep step(std::uint64_t full_at) const noexcept {
    if (settles) return bucket_settle(policy, full_at, now, tokens);
    return bucket_step(policy, full_at, now, static_cast<std::uint32_t>(tokens));
  }
  // Whether a key without a bucket has to get one.
  bool leaves_trace() const noexcept { return tokens > 0 && (settles || tokens <= policy.burst); }
};

struct BucketTable::View {
  static constexpr std::size_t kNone = kWays;
  std::array<Slot, kWays> slots;
  std::size_t bucket = kNone;     // where the key has its bucket
  std::size_t tentative = kNone;  // lowest slot where the key is tentative
};

BucketTable::BucketTable(std::size_t memory_bytes)
    : set_count_(std::max<std::size_t>(memory_bytes / sizeof(Set), 1)), bytes_(set_count_ * sizeof(Set)) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Takes are random accesses: with pages of 4 KiB most would miss the TLB, too. Where huge pages are off this does
  // nothing.
  madvise(memory, bytes_, MADV_HUGEPAGE);
  sets_ = static_cast<Set*>(memory);  // all zero: every slot is empty
}

BucketTable::~BucketTable() { munmap(sets_, bytes_); }

BucketDecision BucketTable::take(std::uint64_t key, const BucketPolicy& policy, MonotonicTime now,
                                 std::uint32_t cost) noexcept {
  return apply(key, {tag_of(key, policy), policy, now, cost, false});
}

BucketDecision BucketTable::settle(std::uint64_t key, const BucketPolicy& policy, MonotonicTime now,
                                   std::int64_t tokens) noexcept {
  return apply(key, {tag_of(key, policy), policy, now, tokens, true});
}

BucketDecision BucketTable::apply(std::uint64_t key, const Take& take) noexcept {
  // The high half chooses the set (multiply and shift: any number of sets), all but the lowest bits tell keys apart.
  Set& set = sets_[(key >> 32) * set_count_ >> 32];
  BucketDecision decision;
  while (true) {
    const View view = look(set, take.tag);
    if (view.bucket != View::kNone) {
      if (view.tentative != View::kNone) remove_tentative(set, view, take.tag);
      if (take_bucket(set.slots[view.bucket], view.slots[view.bucket], take, decision)) return decision;
    } else if (!take.leaves_trace()) {
      return take.step(0).decision;
    } else if (view.tentative != View::kNone) {
      if (take_tentative(set, view.tentative, view.slots[view.tentative], take, decision)) return decision;
    } else {
      enter(set, view, take);
    }
  }
}

// Order of forgetting: the lowest goes first.
std::uint64_t BucketTable::worth(const Slot& slot, std::uint64_t now_ns) const noexcept {
  if (slot.key == 0) return 0;
  if (is_tentative(slot.full_at)) return UINT64_MAX;  // someone's take in progress
  if (slot.full_at <= now_ns) return 1;
  std::uint64_t missing = slot.full_at - now_ns;
  unsigned bits = kinds_[slot.key & kKindMask].window_bits.load(std::memory_order_relaxed);
  return 2 + (bits >= 16 ? missing >> (bits - 16) : missing << (16 - bits));  // share of the window, in 1 / 65536
}

BucketTable::View BucketTable::look(const Set& set, std::uint64_t tag) noexcept {
  View view;
  for (std::size_t way = 0; way < kWays; ++way) {
    view.slots[way] = load(set.slots[way]);
    if (!same_key(view.slots[way].key, tag)) continue;
    if (!is_tentative(view.slots[way].full_at)) {
      view.bucket = way;
    } else if (view.tentative == View::kNone) {
      view.tentative = way;
    }
  }
  return view;
}

// A refusal changes nothing, yet is exchanged for itself: the proof that key and time were read of one moment.
bool BucketTable::take_bucket(Slot& slot, const Slot& seen, const Take& take, BucketDecision& decision) noexcept {
  BucketStep step = take.step(seen.full_at);
  decision = step.decision;
  return exchange(slot, seen, step.changes ? Slot{take.tag, step.full_at_ns} : seen);
}

bool BucketTable::take_tentative(Set& set, std::size_t way, const Slot& seen, const Take& take,
                                 BucketDecision& decision) noexcept {
  if (!is_only_entry(set, way, seen)) return false;
  BucketStep step = take.step(0);
  decision = step.decision;
  return exchange(set.slots[way], seen, Slot{take.tag, step.full_at_ns});
}

bool BucketTable::is_only_entry(Set& set, std::size_t way, const Slot& seen) noexcept {
  for (std::size_t other = 0; other < kWays; ++other) {
    if (other == way) continue;
    const Slot rival = load(set.slots[other]);
    if (!same_key(rival.key, seen.key)) continue;
    if (!is_tentative(rival.full_at) || other < way) {
      remove(set.slots[way], seen);
      return false;
    }
    if (!remove(set.slots[other], rival)) return false;
  }
  return true;
}

void BucketTable::enter(Set& set, const View& view, const Take& take) noexcept {
  const std::uint64_t now_ns = bucket_clock_ns(take.now);
  std::size_t victim = 0;
  std::uint64_t least = worth(view.slots[0], now_ns);
  for (std::size_t way = 1; way < kWays; ++way) {
    std::uint64_t value = worth(view.slots[way], now_ns);
    if (value < least) {
      least = value;
      victim = way;
    }
  }
  const Slot& old = view.slots[victim];
  const std::uint64_t ticket = tickets_.fetch_add(1, std::memory_order_relaxed);
  if (!exchange(set.slots[victim], old, Slot{take.tag, kTentative | ticket})) return;
  Kind& kind = kinds_[take.tag & kKindMask];
  kind.keys.fetch_add(1, std::memory_order_relaxed);
  kind.window_bits.store(static_cast<std::uint8_t>(std::bit_width(take.policy.window_ns)), std::memory_order_relaxed);
  if (old.key == 0) {
    occupied_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  Kind& old_kind = kinds_[old.key & kKindMask];
  old_kind.keys.fetch_sub(1, std::memory_order_relaxed);
  if (is_tentative(old.full_at) || old.full_at <= now_ns) return;
  evictions_.fetch_add(1, std::memory_order_relaxed);
  old_kind.evictions.fetch_add(1, std::memory_order_relaxed);
}

// Entries that came too late: without this the slot of one whose thread found the bucket afterwards would stay taken.
void BucketTable::remove_tentative(Set& set, const View& view, std::uint64_t tag) noexcept {
  for (std::size_t way = view.tentative; way < kWays; ++way) {
    const Slot& seen = view.slots[way];
    if (same_key(seen.key, tag) && is_tentative(seen.full_at)) remove(set.slots[way], seen);
  }
}

bool BucketTable::remove(Slot& slot, const Slot& seen) noexcept {
  if (!exchange(slot, seen, Slot{0, 0})) return false;
  occupied_.fetch_sub(1, std::memory_order_relaxed);
  kinds_[seen.key & kKindMask].keys.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

BucketTableStats BucketTable::stats() const noexcept {
  // Additions and removals of other threads may be seen in any order; a count below zero is such a moment.
  std::int64_t occupied = std::max<std::int64_t>(occupied_.load(std::memory_order_relaxed), 0);
  return {.bytes = bytes_,
          .slots = set_count_ * kWays,
          .occupied = static_cast<std::uint64_t>(occupied),
          .insertions = tickets_.load(std::memory_order_relaxed),
          .evictions = evictions_.load(std::memory_order_relaxed)};
}

BucketKindStats BucketTable::kind_stats(std::uint16_t kind) const noexcept {
  const Kind& counts = kinds_[kind & kKindMask];
  std::int64_t keys = std::max<std::int64_t>(counts.keys.load(std::memory_order_relaxed), 0);
  return {.keys = static_cast<std::uint64_t>(keys), .evictions = counts.evictions.load(std::memory_order_relaxed)};
}

}  // namespace lotagate::limit
