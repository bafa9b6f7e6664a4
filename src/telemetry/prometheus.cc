#include "telemetry/prometheus.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <initializer_list>
#include <map>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "telemetry/exposition.h"

namespace lotagate::telemetry {
namespace {

double seconds_since_epoch(WallTime time) {
  return static_cast<double>(time.time_since_epoch().count()) * kSecondsPerNano;
}

void write_requests(Exposition& to, const Metrics& metrics, const std::vector<RouteLabels>& routes) {
  std::map<RequestSeries, std::uint64_t> sums;  // sorted: series of a route stay together, scrapes are comparable
  std::uint64_t overflow = 0;
  for (const auto& shard : metrics.shards()) {
    shard->for_each_series([&](const RequestSeries& series, std::uint64_t count) { sums[series] += count; });
    overflow += shard->overflow();
  }
  to.family("requests_total", "counter", "Requests that ended, by what the client was answered.");
  for (const auto& [series, count] : sums) {
    // A worker may count a route that was registered after the labels were read.
    if (series.route_slot >= routes.size()) continue;
    const RouteLabels& labels = routes[series.route_slot];
    const std::string status = std::to_string(series.status);
    const std::string_view code = series.code == 0 ? "" : error_info(static_cast<ErrorCode>(series.code - 1)).name;
    to.sample({{"route", labels.route},
               {"service", labels.service},
               {"method", kMethodLabels[series.method_index]},
               {"status", status},
               {"code", code}},
              count);
  }
  to.single("requests_overflow_total", "counter", "Requests in no series because a worker's series are used up.",
            overflow);
}

void write_histograms(Exposition& to, const Metrics& metrics, const std::vector<RouteLabels>& routes) {
  struct Family {
    std::string_view name;
    std::string_view help;
    Histogram RouteHistograms::* histogram;
  };
  constexpr std::array<Family, 3> kFamilies{
      {{"request_duration_seconds", "First byte of the request to last byte of the answer.", &RouteHistograms::request},
       {"upstream_duration_seconds", "Of that, waiting for the service.", &RouteHistograms::upstream},
       {"gateway_overhead_seconds", "Request less upstream duration of complete and refused requests.",
        &RouteHistograms::overhead}}};
  for (const Family& family : kFamilies) {
    to.family(family.name, "histogram", family.help);
    for (std::uint32_t slot = 0; slot < routes.size(); ++slot) {
      HistogramSum sum;
      for (const auto& shard : metrics.shards()) {
        const RouteHistograms* histograms = shard->histograms(slot);
        if (histograms != nullptr) sum.add(histograms->*family.histogram);
      }
      to.histogram({{"route", routes[slot].route}, {"service", routes[slot].service}}, sum);
    }
  }
}

// Who was refused and why, and what the rules of routes said.
void write_access(Exposition& to, const Metrics& metrics, const std::vector<RouteLabels>& routes) {
  std::map<std::pair<ErrorCode, std::string_view>, std::uint64_t> refusals;
  for (const auto& shard : metrics.shards()) {
    shard->refusals.for_each(
        [&](ErrorCode code, std::string_view reason, std::uint64_t count) { refusals[{code, reason}] += count; });
  }
  to.family("access_refusals_total", "counter", "Requests refused because of their caller, by reason.");
  for (const auto& [kind, count] : refusals) {
    to.sample({{"code", error_info(kind.first).name}, {"reason", kind.second}}, count);
  }
  to.family("policy_decisions_total", "counter", "What the `require` of routes said; would_deny did not refuse.");
  for (std::uint32_t slot = 0; slot < routes.size(); ++slot) {
    for (std::size_t outcome = 1; outcome < kPolicyOutcomeCount; ++outcome) {
      std::uint64_t count = 0;
      for (const auto& shard : metrics.shards()) {
        const RouteHistograms* route = shard->histograms(slot);
        if (route != nullptr) count += route->policy[outcome].value();
      }
      if (count == 0) continue;  // most routes never deny, and many have no policy
      to.sample({{"route", routes[slot].route},
                 {"service", routes[slot].service},
                 {"decision", policy_outcome_name(static_cast<PolicyOutcome>(outcome))}},
                count);
    }
  }
}

void write_workers(Exposition& to, const Metrics& metrics) {
  auto counter = [&](std::string_view name, std::string_view help, Counter WorkerGauges::* member) {
    std::uint64_t sum = 0;
    for (const auto& shard : metrics.shards()) sum += (shard->gauges.*member).value();
    to.single(name, "counter", help, sum);
  };
  auto gauge = [&](std::string_view name, std::string_view help, Gauge WorkerGauges::* member) {
    std::int64_t sum = 0;
    for (const auto& shard : metrics.shards()) sum += (shard->gauges.*member).value();
    to.single(name, "gauge", help, sum);
  };
  using W = WorkerGauges;
  gauge("downstream_connections", "Open client connections.", &W::downstream_open);
  counter("downstream_connections_total", "Client connections accepted.", &W::downstream_accepted);
  counter("downstream_connections_refused_total", "Client connections closed at once.", &W::downstream_refused);
  gauge("upstream_connections", "Open connections to services, idle ones included.", &W::upstream_open);
  gauge("upstream_connections_idle", "Connections to services that wait in a pool.", &W::upstream_idle);
  counter("upstream_connections_total", "Connections to services opened.", &W::upstream_connects);
  counter("upstream_connect_failures_total", "Connections to services that failed.", &W::upstream_connect_failures);
  counter("retries_total", "Requests offered to a service once more.", &W::retries);
  counter("token_cache_hits_total", "Tokens recognised without verifying them again.", &W::token_cache_hits);
  counter("token_cache_misses_total", "Tokens that had to be verified.", &W::token_cache_misses);
  gauge("token_cache_bytes", "Memory of verified tokens.", &W::token_cache_bytes);
  counter("worker_loop_turns_total", "Turns of the workers' event loops.", &W::loop_turns);
}

void write_configuration(Exposition& to, const ProcessMetrics& process) {
  to.family("build_info", "gauge", "Version of the program; always 1.");
  to.sample({{"version", process.version}}, 1);
  to.single("start_time_seconds", "gauge", "When the process started, in Unix time.",
            seconds_since_epoch(process.started));
  to.single("workers", "gauge", "Worker threads.", process.workers);
  to.family("config_info", "gauge", "Hash of the configuration in use; always 1.");
  const std::string hash = fmt::format("{:016x}", process.config_hash);
  to.sample({{"hash", hash}}, 1);
  to.single("config_last_reload_timestamp_seconds", "gauge", "When a configuration was last loaded or tried.",
            seconds_since_epoch(process.last_reload));
  to.single("config_last_reload_successful", "gauge", "1 if the last load succeeded, 0 if the old one stayed in use.",
            process.last_reload_succeeded ? 1 : 0);
  to.single("config_reloads_total", "counter", "Attempts to reload.", process.reloads);
  to.single("config_reload_failures_total", "counter", "Attempts to reload that changed nothing.",
            process.reload_failures);
}

void write_identity(Exposition& to, const ProcessMetrics& process) {
  to.family("jwks_age_seconds", "gauge", "Age of the key set in use; absent while there is none.");
  for (const IssuerMetrics& issuer : process.issuers) {
    if (issuer.key_set_age) to.sample({{"issuer", issuer.issuer}}, issuer.key_set_age->count());
  }
  auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                    std::uint64_t IssuerMetrics::* member) {
    to.family(name, type, help);
    for (const IssuerMetrics& issuer : process.issuers) to.sample({{"issuer", issuer.issuer}}, issuer.*member);
  };
  family("jwks_keys", "gauge", "Usable keys of the set in use.", &IssuerMetrics::keys);
  family("jwks_fetches_total", "counter", "Attempts to fetch the key set, and what says where it is.",
         &IssuerMetrics::fetches);
  family("jwks_fetch_failures_total", "counter", "Attempts that failed; the last good set stays in use.",
         &IssuerMetrics::fetch_failures);
  to.family("jwks_last_fetch_successful", "gauge",
            "1 if the last fetch brought or confirmed the keys; absent before it.");
  for (const IssuerMetrics& issuer : process.issuers) {
    if (issuer.last_fetch_succeeded) to.sample({{"issuer", issuer.issuer}}, *issuer.last_fetch_succeeded ? 1 : 0);
  }
  family("jwks_unknown_keys_total", "counter", "Tokens whose key was not in the set.", &IssuerMetrics::unknown_keys);
  family("jwks_refetches_total", "counter", "Of the fetches, those on behalf of unknown keys.",
         &IssuerMetrics::refetches);
  family(
      "jwks_refetches_suppressed_total", "counter",
      "Tokens with an unknown key that caused no fetch of their own: one was pending, or the key had been asked for.",
      &IssuerMetrics::refetches_suppressed);
}

void write_user_management(Exposition& to, const UserManagementMetrics& service) {
  auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                    std::uint64_t DirectoryMetrics::* member) {
    to.family(name, type, help);
    for (const DirectoryMetrics& from : service.directories) {
      to.sample({{"directory", from.directory}}, from.*member);
    }
  };
  using D = DirectoryMetrics;
  family("role_directory_entries", "gauge", "Users whose roles are kept, and API keys.", &D::entries);
  family("role_directory_bytes", "gauge", "Memory of the entries.", &D::bytes);
  family("role_directory_hits_total", "counter", "Look-ups answered from memory.", &D::hits);
  family("role_directory_stale_hits_total", "counter", "Of the hits, those with an answer that was no longer fresh.",
         &D::stale_hits);
  family("role_directory_misses_total", "counter", "Look-ups that had to wait for the service.", &D::misses);
  family("role_directory_unavailable_total", "counter", "Look-ups that had no answer, and for which none was fetched.",
         &D::unavailable);
  family("role_directory_fetches_total", "counter", "Requests to the User Management Service.", &D::fetches);
  family("role_directory_fetch_failures_total", "counter", "Requests to it that failed.", &D::fetch_failures);
  family("role_directory_fetches_under_way", "gauge", "Requests to it that have no answer yet.", &D::fetches_under_way);
  family("role_directory_evictions_total", "counter", "Entries forgotten to make room.", &D::evictions);
  to.single("role_directory_max_stale_seconds", "gauge", "Age beyond which an answer is never used.",
            service.max_stale.count());
  to.single("changes_feed_connected", "gauge", "1 while changes of users and API keys are followed.",
            service.changes_feed_connected ? 1 : 0);
  to.family("user_management_breaker_state", "gauge", "1 for the state of the circuit breaker, 0 for the others.");
  constexpr std::array<std::string_view, 3> kStates{"closed", "half_open", "open"};
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    to.sample({{"state", kStates[i]}}, static_cast<std::size_t>(service.breaker) == i ? 1 : 0);
  }
  to.single("user_management_breaker_opened_total", "counter", "Outages for which requests to the service stopped.",
            service.breaker_opened);
  to.single("user_management_breaker_probes_total", "counter", "Requests that tried whether the service is back.",
            service.breaker_probes);
  to.single("user_management_breaker_refused_total", "counter", "Requests to the service that were not made.",
            service.breaker_refused);
}

void write_limits(Exposition& to, const BucketTableMetrics& buckets) {
  to.single("bucket_table_bytes", "gauge", "Memory of the rate limits' buckets.", buckets.bytes);
  to.single("bucket_table_slots", "gauge", "Buckets there is room for.", buckets.slots);
  to.single("bucket_table_occupied", "gauge", "Slots that hold a bucket.", buckets.occupied);
  to.single("bucket_table_insertions_total", "counter", "Buckets entered.", buckets.insertions);
  to.single("bucket_table_evictions_total", "counter", "Buckets forgotten before they were full again.",
            buckets.evictions);
  to.family("rate_limit_requests_total", "counter", "Takes from the buckets of a policy.");
  for (const PolicyMetrics& policy : buckets.policies) {
    to.sample({{"policy", policy.policy}, {"result", "allowed"}}, policy.allowed);
    to.sample({{"policy", policy.policy}, {"result", "refused"}}, policy.refused);
    to.sample({{"policy", policy.policy}, {"result", "would_refuse"}}, policy.would_refuse);
  }
  to.family("rate_limit_keys", "gauge", "Buckets of a policy in this process.");
  for (const PolicyMetrics& policy : buckets.policies) to.sample({{"policy", policy.policy}}, policy.keys);
  to.family("rate_limit_evictions_total", "counter",
            "Buckets of a policy that were forgotten before they were full again.");
  for (const PolicyMetrics& policy : buckets.policies) to.sample({{"policy", policy.policy}}, policy.evictions);
  if (!buckets.store) return;
  to.family("rate_limit_store_away_total", "counter",
            "Takes of a shared policy decided without the store: it was away, or there was no room for the key.");
  for (const PolicyMetrics& policy : buckets.policies) {
    if (policy.shared) to.sample({{"policy", policy.policy}}, policy.shared->store_away);
  }
  to.family("rate_limit_store_calls_total", "counter", "Calls of the store on behalf of a shared policy.");
  for (const PolicyMetrics& policy : buckets.policies) {
    if (policy.shared) to.sample({{"policy", policy.policy}}, policy.shared->store_calls);
  }
  to.family("rate_limit_oldest_lease_seconds", "gauge",
            "Age of the oldest lease of a shared policy that is not spent.");
  for (const PolicyMetrics& policy : buckets.policies) {
    if (policy.shared)
      to.sample({{"policy", policy.policy}},
                static_cast<double>(policy.shared->oldest_lease.count()) * kSecondsPerNano);
  }
}

void write_limit_store(Exposition& to, const LimitStoreMetrics& store) {
  to.single("limit_store_connected", "gauge", "1 while the store of shared limits answers.", store.connected ? 1 : 0);
  to.single("limit_store_gateways", "gauge", "Gateways that share the store, this one included, as last seen.",
            store.gateways);
  to.family("limit_store_calls_total", "counter", "Calls to the store.");
  to.sample({{"result", "ok"}}, store.calls_ok);
  to.sample({{"result", "failed"}}, store.calls_failed);
  to.sample({{"result", "timed_out"}}, store.calls_timed_out);
  to.single("limit_store_round_trips_total", "counter", "Batches of calls that were written together.",
            store.round_trips);
  to.single("limit_store_keys", "gauge", "Shared buckets known in this process.", store.keys);
  to.single("limit_store_slots", "gauge", "Shared buckets there is room for.", store.slots);
  to.single("limit_store_evictions_total", "counter", "Shared buckets forgotten here before they were full again.",
            store.evictions);
  to.single("limit_store_no_room_total", "counter", "Takes answered by a local bucket because there was no room.",
            store.no_room);
  to.single("limit_store_tokens_held", "gauge", "Tokens leased and not spent.", store.tokens_held);
  to.single("limit_store_tokens_owed", "gauge", "Tokens spent and not yet charged to the store.", store.tokens_owed);
  auto seconds_of = [](nanoseconds time) { return static_cast<double>(time.count()) * kSecondsPerNano; };
  to.single("limit_store_oldest_lease_seconds", "gauge", "Age of the oldest lease.", seconds_of(store.oldest_lease));
  if (store.since_last_success) {
    to.single("limit_store_last_success_seconds", "gauge", "Time since the store answered; absent before it ever did.",
              seconds_of(*store.since_last_success));
  }
  to.single("limit_store_lost_total", "counter", "How often the store went away.", store.lost);
}

void write_endpoints(Exposition& to, const std::vector<EndpointMetrics>& endpoints) {
  to.family("endpoint_healthy", "gauge", "1 if requests are offered to the endpoint, 0 if it is left out.");
  for (const EndpointMetrics& endpoint : endpoints) {
    to.sample({{"service", endpoint.service}, {"endpoint", endpoint.endpoint}}, endpoint.healthy ? 1 : 0);
  }
}

void write_log(Exposition& to, const AccessLogStats& log) {
  to.single("access_log_lines_total", "counter", "Lines accepted for the access log.", log.lines);
  to.single("access_log_dropped_lines_total", "counter", "Lines lost because the log could not be written fast enough.",
            log.dropped_lines);
  to.single("access_log_dropped_bytes_total", "counter", "Bytes of those lines.", log.dropped_bytes);
  to.single("access_log_written_bytes_total", "counter", "Bytes written.", log.written_bytes);
  to.single("access_log_write_errors_total", "counter", "Failed writes and reopens.", log.write_errors);
}

}  // namespace

void write_prometheus(std::string& out, const Metrics& metrics, const ProcessMetrics& process) {
  Exposition to(out);
  const std::vector<RouteLabels> routes = metrics.routes();
  write_requests(to, metrics, routes);
  write_histograms(to, metrics, routes);
  write_access(to, metrics, routes);
  write_workers(to, metrics);
  write_configuration(to, process);
  write_identity(to, process);
  if (process.user_management) write_user_management(to, *process.user_management);
  write_limits(to, process.buckets);
  if (process.buckets.store) write_limit_store(to, *process.buckets.store);
  write_concurrency(to, process.concurrency);
  write_endpoints(to, process.endpoints);
  write_log(to, process.log);
}

}  // namespace lotagate::telemetry
