// Verified tokens of one worker. Single-threaded; only the counters may be read from elsewhere.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "access/principal.h"
#include "base/clock.h"

namespace lotagate::access {

// One writer, any readers; relaxed, since each is a statistic on its own.
struct TokenCacheCounters {
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> misses{0};
  std::atomic<std::uint64_t> evictions{0};
  std::atomic<std::uint64_t> entries{0};
  std::atomic<std::uint64_t> bytes{0};  // entries and table together
};

// Keyed by the whole token: the hash of its end finds the slot, a full compare decides. Refusals are never stored, so
// that a flood of bad tokens evicts nothing. Eight slots per bucket, second chance within the bucket and, for the byte
// bound, over the whole table.
class TokenCache {
 public:
  // `max_bytes` bounds entries and table together; 0 turns the cache off.
  explicit TokenCache(std::size_t max_bytes);
  ~TokenCache();
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  // The principal of a token stored earlier; null when unknown, at or past its
  // `expires`, or verified with keys of a version other than `key_versions[issuer_index]`. Allocates nothing.
  PrincipalRef find(std::string_view token, WallTime now, std::span<const std::uint64_t> key_versions);

  // Stores a verdict made with keys of `key_version`. Dropped when it alone exceeds the bound.
  void insert(std::string_view token, const PrincipalRef& principal, std::uint64_t key_version);

  const TokenCacheCounters& counters() const { return counters_; }

 private:
  struct Entry;
  struct Bucket;
  static constexpr std::size_t kWays = 8;

  Bucket& bucket_of(std::uint64_t hash);
  static std::size_t choose_way(Bucket& bucket, std::uint64_t hash, std::string_view token);
  void evict(Bucket& bucket, std::size_t way);
  void evict_until_fits(std::size_t incoming_bytes);
  void add_bytes(std::size_t bytes);

  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t seed_;
  std::vector<Bucket> buckets_;  // a power of two, or none
  std::size_t hand_ = 0;         // slot where the table-wide clock goes on
  TokenCacheCounters counters_;
};

}  // namespace lotagate::access
