#include "access/token_cache.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>

#include "base/hash.h"

namespace lotagate::access {
namespace {

// What an entry of a usual token (500 bytes) costs, table included: gives the table a slot for every entry it can hold.
constexpr std::size_t kBytesPerSlot = 1024;
constexpr std::size_t kAllocationOverheadBytes = 16;

// Only verified tokens are stored, so different entries have different signatures, and those end the tokens: the end
// tells entries apart as well as the whole would, at a tenth of the instructions for a usual token. The hash is seeded
// with a secret, so the time of the compare tells nothing about other clients' tokens.
constexpr std::size_t kHashedBytes = 64;

std::uint64_t hash_token(std::string_view token, std::uint64_t seed) {
  std::size_t skipped = token.size() > kHashedBytes ? token.size() - kHashedBytes : 0;
  return hash_bytes(token.substr(skipped), seed);
}

// One writer: a load and a store instead of a locked addition.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

std::size_t heap_bytes(const std::string& text) { return text.capacity() + kAllocationOverheadBytes; }

}  // namespace

struct TokenCache::Entry {
  Entry(std::string_view token_text, PrincipalRef verified, std::uint64_t version)
      : token(token_text), principal(std::move(verified)), key_version(version) {}

  // What a request still holds after an eviction is not the cache's any more.
  std::size_t bytes() const {
    const Principal& p = *principal;
    std::size_t limit_claims = p.limit_claims.capacity() * sizeof(std::string);
    for (const std::string& text : p.limit_claims) limit_claims += heap_bytes(text);
    return limit_claims + sizeof(Entry) + sizeof(Principal) + 2 * kAllocationOverheadBytes + heap_bytes(token) +
           heap_bytes(p.subject) + heap_bytes(p.issuer) + heap_bytes(p.tenant) + heap_bytes(p.session) +
           heap_bytes(p.roles) + heap_bytes(p.permissions) + heap_bytes(p.scopes) + heap_bytes(p.header_lines);
  }

  std::string token;
  PrincipalRef principal;
  std::uint64_t key_version;
  bool referenced = false;
};

// The hashes fill one cache line: a miss touches nothing else.
struct alignas(64) TokenCache::Bucket {
  std::array<std::uint64_t, kWays> hashes{};
  std::array<std::unique_ptr<Entry>, kWays> entries;
  std::size_t hand = 0;
};

TokenCache::TokenCache(std::size_t max_bytes) : max_bytes_(max_bytes), seed_(process_hash_seed()) {
  std::size_t bucket_count = max_bytes / (kBytesPerSlot * kWays);
  if (bucket_count > 0) buckets_ = std::vector<Bucket>(std::bit_floor(bucket_count));
  add_bytes(buckets_.size() * sizeof(Bucket));
}

TokenCache::~TokenCache() = default;

PrincipalRef TokenCache::find(std::string_view token, WallTime now, std::span<const std::uint64_t> key_versions) {
  if (buckets_.empty()) return {};
  std::uint64_t hash = hash_token(token, seed_);
  Bucket& bucket = bucket_of(hash);
  for (std::size_t way = 0; way < kWays; ++way) {
    if (bucket.hashes[way] != hash) continue;
    Entry* entry = bucket.entries[way].get();
    if (entry == nullptr || entry->token != token) continue;
    const Principal& principal = *entry->principal;
    if (now >= principal.expires || key_versions[principal.issuer_index] != entry->key_version) {
      evict(bucket, way);
      break;
    }
    entry->referenced = true;
    add(counters_.hits, 1);
    return entry->principal;
  }
  add(counters_.misses, 1);
  return {};
}

void TokenCache::insert(std::string_view token, const PrincipalRef& principal, std::uint64_t key_version) {
  if (buckets_.empty()) return;
  auto entry = std::make_unique<Entry>(token, principal, key_version);
  std::size_t bytes = entry->bytes();
  if (bytes + buckets_.size() * sizeof(Bucket) > max_bytes_) return;
  std::uint64_t hash = hash_token(token, seed_);
  Bucket& bucket = bucket_of(hash);
  std::size_t way = choose_way(bucket, hash, token);
  if (bucket.entries[way]) evict(bucket, way);
  evict_until_fits(bytes);
  bucket.hashes[way] = hash;
  bucket.entries[way] = std::move(entry);
  add(counters_.entries, 1);
  add_bytes(bytes);
}

TokenCache::Bucket& TokenCache::bucket_of(std::uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }

// Where a token goes: its own slot, a free one, or that of an entry that was not asked for since the hand last passed.
std::size_t TokenCache::choose_way(Bucket& bucket, std::uint64_t hash, std::string_view token) {
  std::size_t free_way = kWays;
  for (std::size_t way = 0; way < kWays; ++way) {
    const auto& entry = bucket.entries[way];
    if (!entry) {
      free_way = way;
    } else if (bucket.hashes[way] == hash && entry->token == token) {
      return way;
    }
  }
  if (free_way != kWays) return free_way;
  while (true) {
    std::size_t way = bucket.hand;
    bucket.hand = (bucket.hand + 1) % kWays;
    if (!std::exchange(bucket.entries[way]->referenced, false)) return way;
  }
}

void TokenCache::evict(Bucket& bucket, std::size_t way) {
  std::size_t bytes = bucket.entries[way]->bytes();
  bucket.entries[way].reset();
  add(counters_.entries, static_cast<std::uint64_t>(-1));
  add(counters_.evictions, 1);
  bytes_ -= bytes;
  add_bytes(0);
}

// The caller has made sure that `incoming_bytes` fit into an empty table, so the loop ends.
void TokenCache::evict_until_fits(std::size_t incoming_bytes) {
  std::size_t slots = buckets_.size() * kWays;
  while (bytes_ + incoming_bytes > max_bytes_) {
    Bucket& bucket = buckets_[hand_ / kWays];
    std::size_t way = hand_ % kWays;
    hand_ = (hand_ + 1) % slots;
    if (bucket.entries[way] && !std::exchange(bucket.entries[way]->referenced, false)) evict(bucket, way);
  }
}

void TokenCache::add_bytes(std::size_t bytes) {
  bytes_ += bytes;
  counters_.bytes.store(bytes_, std::memory_order_relaxed);
}

}  // namespace lotagate::access
