// The Prometheus text exposition (version 0.0.4) of everything that is measured. Costs nothing per request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "telemetry/access_log.h"
#include "telemetry/concurrency_metrics.h"
#include "telemetry/metrics.h"

namespace lotagate::telemetry {

// Value of the Content-Type field for the text.
inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

struct IssuerMetrics {
  std::string issuer;
  std::optional<seconds> key_set_age = {};  // since the set in use was confirmed; nothing: never fetched, or configured
  std::uint64_t keys = 0;                   // usable ones
  std::uint64_t fetches = 0;
  std::uint64_t fetch_failures = 0;
  std::optional<bool> last_fetch_succeeded = {};  // nothing: none was made
  std::uint64_t unknown_keys = 0;                 // tokens whose key was not in the set
  std::uint64_t refetches = 0;                    // fetches on their behalf
  std::uint64_t refetches_suppressed = 0;         // such tokens that caused none of their own
};

struct DirectoryMetrics {
  std::string_view directory;  // users or api_keys
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t hits = 0;
  std::uint64_t stale_hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t unavailable = 0;
  std::uint64_t fetches = 0;
  std::uint64_t fetch_failures = 0;
  std::uint64_t fetches_under_way = 0;
  std::uint64_t evictions = 0;
};

enum class BreakerState : std::uint8_t { closed, half_open, open };

struct UserManagementMetrics {
  std::vector<DirectoryMetrics> directories;
  seconds max_stale{0};  // how old a stale answer may at most be
  bool changes_feed_connected = false;
  BreakerState breaker = BreakerState::closed;
  std::uint64_t breaker_opened = 0;
  std::uint64_t breaker_probes = 0;
  std::uint64_t breaker_refused = 0;
};

// Of a policy that gateways share.
struct SharedPolicyMetrics {
  std::uint64_t store_away = 0;  // takes decided without the store
  std::uint64_t store_calls = 0;
  nanoseconds oldest_lease{0};
};

struct PolicyMetrics {
  std::string policy;
  std::uint64_t allowed = 0;
  std::uint64_t refused = 0;
  std::uint64_t would_refuse = 0;  // under `report_only`
  std::uint64_t keys = 0;          // with a bucket in this process
  std::uint64_t evictions = 0;     // of these, pushed out before they were full again
  std::optional<SharedPolicyMetrics> shared = {};
};

// Where gateways share buckets, and the leases from there.
struct LimitStoreMetrics {
  bool connected = false;
  std::uint64_t gateways = 1;  // last seen, this one included
  std::uint64_t calls_ok = 0;
  std::uint64_t calls_failed = 0;
  std::uint64_t calls_timed_out = 0;
  std::uint64_t round_trips = 0;
  std::uint64_t keys = 0;
  std::uint64_t slots = 0;
  std::uint64_t evictions = 0;
  std::uint64_t no_room = 0;
  std::uint64_t tokens_held = 0;
  std::uint64_t tokens_owed = 0;
  nanoseconds oldest_lease{0};
  std::optional<nanoseconds> since_last_success = {};  // nothing: never
  std::uint64_t lost = 0;
  std::string last_error = {};  // for the status page alone
};

struct BucketTableMetrics {
  std::uint64_t bytes = 0;
  std::uint64_t slots = 0;
  std::uint64_t occupied = 0;
  std::uint64_t insertions = 0;
  std::uint64_t evictions = 0;
  std::vector<PolicyMetrics> policies;
  std::optional<LimitStoreMetrics> store = {};  // nothing without a `limit_store`
};

struct EndpointMetrics {
  std::string service;
  std::string endpoint;
  bool healthy = true;
};

// What is not kept per worker: the gateway fills it at scrape time from the parts that own it.
struct ProcessMetrics {
  std::string version;
  std::uint64_t config_hash = 0;
  WallTime started{};
  WallTime last_reload{};  // of the last attempt, also a failed one; start-up counts
  bool last_reload_succeeded = true;
  std::uint64_t reloads = 0;
  std::uint64_t reload_failures = 0;
  std::uint32_t workers = 0;
  std::vector<IssuerMetrics> issuers;
  std::optional<UserManagementMetrics> user_management;  // nothing without it
  BucketTableMetrics buckets;
  std::vector<ConcurrencyMetrics> concurrency;
  std::vector<EndpointMetrics> endpoints;
  AccessLogStats log;
};

// Appends the whole exposition: the shards summed, every family with HELP and TYPE, label values escaped. Any thread.
void write_prometheus(std::string& out, const Metrics& metrics, const ProcessMetrics& process);

}  // namespace lotagate::telemetry
