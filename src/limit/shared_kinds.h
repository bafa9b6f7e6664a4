// What is counted of shared buckets by kind (BucketPolicy::kind): a limit, or a case of one.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "limit/bucket_table.h"

namespace lotagate::limit {

// Written by takes (evictions) and by the keeper's thread (the others), read by anybody at any moment.
struct SharedKind {
  std::atomic<std::uint64_t> keys{0};       // known here, as of the last look at the whole table
  std::atomic<std::uint64_t> oldest_ns{0};  // age of the oldest lease that is not spent, likewise
  std::atomic<std::uint64_t> calls{0};      // of the store, also those that failed
  std::atomic<std::uint64_t> evictions{0};  // forgotten before they were full, for want of room
};
using SharedKinds = std::array<SharedKind, BucketTable::kMaxKinds>;

inline SharedKind& kind_of(SharedKinds& kinds, const BucketPolicy& policy) noexcept {
  return kinds[policy.kind % BucketTable::kMaxKinds];
}

}  // namespace lotagate::limit
