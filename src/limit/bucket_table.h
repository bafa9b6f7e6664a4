// All token buckets of the process: a fixed piece of memory that every worker takes from without locks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "limit/bucket.h"

namespace lotagate::limit {

struct BucketTableStats {
  std::uint64_t bytes = 0;       // of the buckets' one allocation
  std::uint64_t slots = 0;       // buckets the table can hold
  std::uint64_t occupied = 0;    // slots that hold a key, also one whose bucket is full again
  std::uint64_t insertions = 0;  // attempts to enter a key since start
  std::uint64_t evictions = 0;   // of these, how many pushed out a bucket that was not yet full again
};

// Of the buckets of one kind (BucketPolicy::kind).
struct BucketKindStats {
  std::uint64_t keys = 0;       // with a bucket, also one that is full again
  std::uint64_t evictions = 0;  // pushed out before they were full again
};

// A set-associative hash table. A set is one cache line of four slots of 16 bytes: {key, full_at}. A key lives in one
// set only, in any of its slots; a key that is not there has a full bucket.
//
// Exactness. Every answer from a bucket, refusals included, rests on one successful 16-byte compare-exchange of its
// slot: the take happens at that moment for all threads. Key and bucket change only together, so nobody can change the
// bucket of a key that was replaced meanwhile. A key never has two buckets: it is first entered as a tentative entry
// with a unique ticket, and becomes a bucket only after a scan of the other slots (bucket_table.cc has the rules and
// why they suffice). So N threads admit exactly what one thread would. There is no lock: a thread that is stopped in
// the middle of a take holds up nobody, because anyone may complete or replace its tentative entry.
//
// Forgetting. A new key in a full set takes the place of, in this order:
//   1. a bucket that is full again: forgetting it loses nothing;
//   2. the bucket with the smallest used share of its burst, (full_at - now) / window, compared to within a factor
//   of 2.
// Bound: a bucket of used share s goes only when the three others of its set have used at least s / 2 of theirs (at
// least s under one policy). Sets are chosen by a secret hash, so whoever wants to push out a client that has used n
// tokens must spend about n tokens on each of about as many keys as the table has slots, and do so again and again
// within the time in which buckets refill. A flood of F new keys a second that take once each makes every set forget F
// / sets buckets a second, and only the lightest ones: mostly those of the flood itself. What forgetting one bucket
// gives away is its used part, never more than a burst.
class BucketTable {
 public:
  // Uses `memory_bytes`, rounded down to whole sets (at least one), in a single allocation of zeroed pages that
  // become resident as they are used. Throws std::bad_alloc.
  explicit BucketTable(std::size_t memory_bytes);
  ~BucketTable();
  BucketTable(const BucketTable&) = delete;
  BucketTable& operator=(const BucketTable&) = delete;

  // Takes `cost` tokens from the bucket of `key` (bucket_step has the rules), for any number of threads at once. `key`
  // is a well-mixed secret hash (limit_key.h) of which 54 bits tell keys apart: among a million live keys any two share
  // a bucket with a probability of 3e-5.
  BucketDecision take(std::uint64_t key, const BucketPolicy& policy, MonotonicTime now,
                      std::uint32_t cost = 1) noexcept;

  // Charges the bucket of `key`, or gives back to it, after the fact (bucket_settle has the rules). A key that was
  // forgotten meanwhile has a full bucket: what it is charged is taken from that.
  BucketDecision settle(std::uint64_t key, const BucketPolicy& policy, MonotonicTime now, std::int64_t tokens) noexcept;

  // Counters of this moment; any thread.
  BucketTableStats stats() const noexcept;
  BucketKindStats kind_stats(std::uint16_t kind) const noexcept;

  static constexpr std::size_t kKindBits = 10;
  static constexpr std::size_t kMaxKinds = std::size_t{1} << kKindBits;

 private:
  friend struct BucketTableTestPeer;
  static constexpr std::size_t kWays = 4;

  struct alignas(16) Slot {
    std::uint64_t key;      // 0: empty
    std::uint64_t full_at;  // or a tentative entry's mark and ticket
  };
  struct alignas(64) Set {
    std::array<Slot, kWays> slots;
  };
  // What one look at a set showed; only hints, every change proves them with its compare-exchange.
  struct View;
  struct Take;

  struct Kind {
    std::atomic<std::int64_t> keys{0};
    std::atomic<std::uint64_t> evictions{0};
    std::atomic<std::uint8_t> window_bits{0};  // bit_width of the window that the newest of its buckets has
  };

  BucketDecision apply(std::uint64_t key, const Take& take) noexcept;
  std::uint64_t worth(const Slot& slot, std::uint64_t now_ns) const noexcept;
  static View look(const Set& set, std::uint64_t tag) noexcept;
  static bool take_bucket(Slot& slot, const Slot& seen, const Take& take, BucketDecision& decision) noexcept;
  bool take_tentative(Set& set, std::size_t way, const Slot& seen, const Take& take, BucketDecision& decision) noexcept;
  bool is_only_entry(Set& set, std::size_t way, const Slot& seen) noexcept;
  void enter(Set& set, const View& view, const Take& take) noexcept;
  void remove_tentative(Set& set, const View& view, std::uint64_t tag) noexcept;
  bool remove(Slot& slot, const Slot& seen) noexcept;

  Set* sets_ = nullptr;
  std::uint64_t set_count_ = 0;
  std::size_t bytes_ = 0;
  // Written only when keys come and go; apart from the members above, which every take reads.
  alignas(64) std::atomic<std::uint64_t> tickets_{0};
  std::atomic<std::int64_t> occupied_{0};
  std::atomic<std::uint64_t> evictions_{0};
  std::array<Kind, kMaxKinds> kinds_;
};

}  // namespace lotagate::limit
