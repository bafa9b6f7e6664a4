// Which buckets are asked most often right now: a sketch of fixed size, one per worker, for the status page.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace lotagate::limit {

// A bucket among the heaviest. The numbers are estimates, and halve every HeavyKeys::kHalfLife.
struct HeavyKey {
  // Longer identities are cut: enough for an address, a user of 200 bytes, or some parts of common size.
  static constexpr std::size_t kMaxIdentityBytes = 220;

  std::uint64_t key = 0;      // of the bucket; a secret of the table
  std::uint64_t takes = 0;    // requests that asked it, refused ones included
  std::uint64_t refused = 0;  // of these
  MonotonicTime since{};      // when it began to be followed
  std::uint16_t kind = 0;     // BucketPolicy::kind
  std::uint8_t identity_bytes = 0;
  bool identity_cut = false;
  std::array<char, kMaxIdentityBytes> identity_text;  // the first identity_bytes

  std::string_view identity() const { return {identity_text.data(), identity_bytes}; }
};

// Space-Saving (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams,
// 2005) over a random sample, in kSets sets by the key's hash, so that a look is at kWays entries. A new bucket takes
// the place of the lightest of its set and inherits its weight: one that gets clearly more than 1 / kEntries of a
// worker's takes stays, however many light ones there are. What was inherited is not shown as its own, so the numbers
// are never too high but for the sampling. One take in kSampleEvery on average is looked at and counts as so many; the
// others pay for one decrement. Random, because a fixed step would meet the same limit of a route every time.
//
// The owning worker calls due() and note(); any thread calls entries(). Fixed memory; note() allocates nothing.
class HeavyKeys {
 public:
  static constexpr std::size_t kSets = 32;
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kEntries = kSets * kWays;
  static constexpr std::uint64_t kSampleEvery = 16;
  static constexpr seconds kHalfLife{10};

  // `seed` decides which takes are looked at.
  explicit HeavyKeys(std::uint64_t seed);

  // Is this take one to be looked at? Once per take.
  bool due() {
    if (--skip_ != 0) return false;
    draw();
    return true;
  }
  // A take that was due. `identity` names the bucket (gateway/limit_identity.h).
  void note(std::uint64_t key, std::uint16_t kind, std::string_view identity, bool refused, MonotonicTime now) noexcept;

  // Appends every entry, in no order.
  void entries(MonotonicTime now, std::vector<HeavyKey>& out);

 private:
  void draw();
  void decay(MonotonicTime now);
  std::size_t find(std::uint64_t key) const;
  std::size_t lightest(std::uint64_t key) const;

  std::uint32_t skip_ = 1;  // the owner's alone
  std::uint64_t random_;

  std::mutex mutex_;
  MonotonicTime halved_{};  // when the weights were halved last
  // Apart from the entries, so that a look reads two cache lines. A weight is an entry's takes and what it inherited.
  alignas(64) std::array<std::uint64_t, kEntries> keys_{};
  alignas(64) std::array<std::uint64_t, kEntries> weights_{};  // 0: a free entry
  std::array<HeavyKey, kEntries> entries_;
};

}  // namespace lotagate::limit
