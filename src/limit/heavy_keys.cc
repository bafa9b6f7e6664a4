#include "limit/heavy_keys.h"

#include <algorithm>
#include <cstring>

namespace lotagate::limit {
namespace {

std::size_t set_of(std::uint64_t key) { return (key >> 20) % HeavyKeys::kSets; }

}  // namespace

HeavyKeys::HeavyKeys(std::uint64_t seed) : random_(seed | 1) { draw(); }

// Uniform from 1 to 2 * kSampleEvery - 1: kSampleEvery on average. xorshift64; `random_` is never 0.
void HeavyKeys::draw() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  skip_ = 1 + static_cast<std::uint32_t>((random_ >> 32) % (2 * kSampleEvery - 1));
}

void HeavyKeys::note(std::uint64_t key, std::uint16_t kind, std::string_view identity, bool refused,
                     MonotonicTime now) noexcept {
  std::lock_guard lock(mutex_);
  decay(now);
  std::size_t at = find(key);
  if (at == kEntries) {
    at = lightest(key);
    keys_[at] = key;
    HeavyKey& fresh = entries_[at];
    std::size_t bytes = std::min(identity.size(), HeavyKey::kMaxIdentityBytes);
    fresh.key = key;
    fresh.takes = 0;
    fresh.refused = 0;
    fresh.since = now;
    fresh.kind = kind;
    fresh.identity_bytes = static_cast<std::uint8_t>(bytes);
    fresh.identity_cut = bytes < identity.size();
    std::memcpy(fresh.identity_text.data(), identity.data(), bytes);
  }
  weights_[at] += kSampleEvery;
  entries_[at].takes += kSampleEvery;
  if (refused) entries_[at].refused += kSampleEvery;
}

void HeavyKeys::entries(MonotonicTime now, std::vector<HeavyKey>& out) {
  std::lock_guard lock(mutex_);
  decay(now);
  for (std::size_t i = 0; i < kEntries; ++i) {
    if (entries_[i].takes > 0 && weights_[i] > 0) out.push_back(entries_[i]);
  }
}

// Weights that reach 0 free their entries. Workers and readers may see slightly different times: the clock never goes
// back here.
void HeavyKeys::decay(MonotonicTime now) {
  if (now - halved_ < kHalfLife) return;
  std::int64_t times = (now - halved_) / kHalfLife;
  halved_ += times * kHalfLife;
  int shift = static_cast<int>(std::min<std::int64_t>(times, 63));
  for (std::size_t i = 0; i < kEntries; ++i) {
    weights_[i] >>= shift;
    entries_[i].takes >>= shift;
    entries_[i].refused >>= shift;
  }
}

// kEntries: it is not there.
std::size_t HeavyKeys::find(std::uint64_t key) const {
  std::size_t first = set_of(key) * kWays;
  for (std::size_t i = first; i < first + kWays; ++i) {
    if (keys_[i] == key && weights_[i] > 0) return i;
  }
  return kEntries;
}

// The entry that a new `key` replaces.
std::size_t HeavyKeys::lightest(std::uint64_t key) const {
  auto first = weights_.begin() + set_of(key) * kWays;
  return static_cast<std::size_t>(std::min_element(first, first + kWays) - weights_.begin());
}

}  // namespace lotagate::limit
