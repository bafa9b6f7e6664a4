// Which unknown keys have been asked for: a client that keeps sending one dead token must not cause fetches for ever.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/clock.h"

namespace lotagate {

// Remembers keys by hash, at most kSlots; any thread. A key may ask at once, then after `first`, then after twice as
// long each time, up to `longest`. A forgotten key counts as new, which is why the fetches have a cool-down, too.
class UnknownKeys {
 public:
  UnknownKeys(milliseconds first, milliseconds longest) : first_(first), longest_(std::max(first, longest)) {}

  // Whether this key is a reason to fetch now.
  bool may_ask(std::uint64_t key, MonotonicTime now) {
    std::lock_guard lock(mutex_);
    Slot& slot = slots_[key % kSlots];
    if (slot.key != key || slot.wait == milliseconds(0)) {
      slot = {.key = key, .wait = first_, .next = now + first_};
      return true;
    }
    if (now < slot.next) return false;
    slot.wait = std::min(slot.wait * 2, longest_);
    slot.next = now + slot.wait;
    return true;
  }

 private:
  // 6 KiB an issuer. Only a key that finds no fetch pending gets here, so even a flood of new ones enters a few in each
  // cool-down, and one that comes again is overwritten with a probability of 1/256 by each.
  static constexpr std::size_t kSlots = 256;
  struct Slot {
    std::uint64_t key = 0;
    milliseconds wait{0};  // 0: empty
    MonotonicTime next{};
  };

  const milliseconds first_;
  const milliseconds longest_;
  std::mutex mutex_;  // held for nanoseconds
  std::array<Slot, kSlots> slots_{};
};

}  // namespace lotagate
