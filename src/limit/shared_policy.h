// What the shared buckets are told: their policies, and where the store is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "limit/bucket.h"
#include "limit/store_failure.h"

namespace lotagate::limit {

// One kind of shared bucket. Equal by value.
struct SharedPolicy {
  std::string name;  // part of the keys in the store: "per_user", or "per_plan/pro" for a case
  BucketPolicy bucket;
  std::uint64_t most_debt = 0;  // tokens that settling may put a bucket below empty
  StoreFailure on_failure = StoreFailure::local;
};

bool operator==(const SharedPolicy& a, const SharedPolicy& b) noexcept;

struct StoreAddress {
  std::string host;  // a name or an address; IPv6 without brackets
  std::uint16_t port = 6379;
  bool operator==(const StoreAddress&) const = default;
};

struct StoreSettings {
  // Where to begin: one server, any nodes of a cluster, or copies of which one is the master.
  std::vector<StoreAddress> servers;
  std::string user;  // empty: AUTH with the password alone
  std::string password;
  std::uint32_t database = 0;  // 0 in a cluster
  std::string prefix = "lotagate";
  std::size_t memory_bytes = std::size_t{16} << 20;  // of the table of leases; read at the start only
  milliseconds timeout{20};                          // of connecting, and of waiting for the next answer
  milliseconds lease_life{1200};  // age at which unspent tokens go back: above the least Retry-After, 1 s
  milliseconds probe_every{250};  // while the store is away
  milliseconds heartbeat_every{500};
  milliseconds gateway_life{3000};  // a gateway that was not seen for as long is not counted
  bool operator==(const StoreSettings&) const = default;
};

// Of the buckets of one kind (BucketPolicy::kind).
struct SharedKindStats {
  std::uint64_t keys = 0;       // known here, as of the last look at the whole table
  std::uint64_t evictions = 0;  // forgotten before they were full, for want of room
  std::uint64_t calls = 0;      // of the store
  nanoseconds oldest_lease{0};  // age of the oldest lease that is not spent
};

// Counters of this moment.
struct StoreStats {
  bool connected = false;           // the store answers; false: policies go by their on_failure
  std::uint32_t live_gateways = 1;  // last seen, this one included
  std::uint64_t calls_ok = 0;       // answers of the store
  std::uint64_t calls_failed = 0;   // errors of the store or the connection
  std::uint64_t calls_timed_out = 0;
  std::uint64_t round_trips = 0;       // batches of calls written together
  std::uint64_t keys = 0;              // buckets known here
  std::uint64_t slots = 0;             // buckets that can be known here
  std::uint64_t evictions = 0;         // buckets forgotten before they were full, for want of room
  std::uint64_t no_room = 0;           // takes answered by a plain local bucket, since all of a set was in use
  std::uint64_t tokens_held = 0;       // leased and not spent, as of the last look at the whole table
  std::uint64_t tokens_owed = 0;       // spent on credit and not yet charged, likewise
  nanoseconds oldest_lease{0};         // likewise
  nanoseconds since_last_success{-1};  // -1: never
  std::uint64_t times_lost = 0;        // how often the store went away
  std::string last_error = {};         // of the store or the connection; never a password, never a key
};

}  // namespace lotagate::limit
