// The pages of the admin listener.
#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/json_writer.h"
#include "gateway/limit_metrics.h"
#include "gateway/limit_status.h"

namespace lotagate {
namespace {

constexpr std::string_view kJson = "application/json";

void write_services(JsonWriter& json, const config::Snapshot& snapshot, MonotonicTime now) {
  json.begin_array("services");
  for (const auto& service : snapshot.services) {
    json.begin_object();
    json.text("name", service.name);
    json.begin_array("endpoints");
    for (const auto& endpoint : service.endpoints) {
      json.begin_object();
      json.text("endpoint", endpoint.text);
      json.text("address", to_string(endpoint.address));
      json.boolean("suspect", endpoint.health->is_suspect(now));
      json.end_object();
    }
    json.end_array();
    json.end_object();
  }
  json.end_array();
}

void write_routes(JsonWriter& json, const config::Snapshot& snapshot) {
  json.begin_array("routes");
  for (std::size_t i = 0; i < snapshot.routes.size(); ++i) {
    json.begin_object();
    json.text("name", snapshot.routes[i].name);
    json.text("path", snapshot.config.routes[i].path);
    json.text("service", snapshot.services[snapshot.routes[i].service].name);
    json.boolean("public", snapshot.routes[i].is_public);
    json.end_object();
  }
  json.end_array();
}

void write_issuers(JsonWriter& json, const std::vector<telemetry::IssuerMetrics>& issuers,
                   const std::vector<std::string>& problems) {
  json.begin_array("issuers");
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    json.begin_object();
    json.text("issuer", issuers[i].issuer);
    json.number("keys", issuers[i].keys);
    if (issuers[i].key_set_age) {
      json.number("age_seconds", static_cast<std::uint64_t>(issuers[i].key_set_age->count()));
    } else {
      json.null("age_seconds");
    }
    json.number("fetches", issuers[i].fetches);
    json.number("fetch_failures", issuers[i].fetch_failures);
    json.number("unknown_keys", issuers[i].unknown_keys);
    json.number("refetches", issuers[i].refetches);
    if (i < problems.size() && !problems[i].empty()) json.text("problem", problems[i]);
    json.end_object();
  }
  json.end_array();
}

telemetry::DirectoryMetrics directory_metrics(std::string_view name, const access::RoleDirectory& directory) {
  auto stats = directory.stats();
  return {.directory = name,
          .entries = stats.entries,
          .bytes = stats.bytes,
          .hits = stats.fresh + stats.stale,
          .stale_hits = stats.stale,
          .misses = stats.wait,
          .unavailable = stats.unavailable,
          .fetches = stats.lookups,
          .fetch_failures = stats.failures,
          .fetches_under_way = stats.lookups_under_way,
          .evictions = stats.evictions};
}

telemetry::BreakerState breaker_state(access::CircuitBreakerStats::State state) {
  switch (state) {
    case access::CircuitBreakerStats::State::closed: return telemetry::BreakerState::closed;
    case access::CircuitBreakerStats::State::half_open: return telemetry::BreakerState::half_open;
    case access::CircuitBreakerStats::State::open: return telemetry::BreakerState::open;
  }
  return telemetry::BreakerState::open;
}

// `feed` may be null: a reload is replacing it.
telemetry::UserManagementMetrics user_management_metrics(const config::Snapshot& snapshot, const ChangesFeed* feed) {
  const config::UserManagement& settings = *snapshot.config.user_management;
  auto breaker = snapshot.breaker->stats();
  return {.directories = {directory_metrics("users", *snapshot.directory),
                          directory_metrics("api_keys", *snapshot.key_directory)},
          .max_stale = std::chrono::ceil<seconds>(settings.fresh_for + settings.stale_for),
          .changes_feed_connected = feed != nullptr && feed->connected(),
          .breaker = breaker_state(breaker.state),
          .breaker_opened = breaker.opened,
          .breaker_probes = breaker.probes,
          .breaker_refused = breaker.refused};
}

void write_user_management(JsonWriter& json, const telemetry::UserManagementMetrics& service) {
  constexpr std::array<std::string_view, 3> kStates{"closed", "half_open", "open"};
  json.begin_object("user_management");
  json.text("breaker", kStates[static_cast<std::size_t>(service.breaker)]);
  json.number("breaker_opened", service.breaker_opened);
  json.boolean("changes_feed_connected", service.changes_feed_connected);
  for (const auto& directory : service.directories) {
    json.begin_object(directory.directory);
    json.number("entries", directory.entries);
    json.number("bytes", directory.bytes);
    json.number("fetches", directory.fetches);
    json.number("fetch_failures", directory.fetch_failures);
    json.end_object();
  }
  json.end_object();
}

void write_concurrency(JsonWriter& json, const std::vector<telemetry::ConcurrencyMetrics>& limits,
                       const config::Snapshot& snapshot) {
  json.begin_array("concurrency_limits");
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const config::ConcurrencyLimit& rule = snapshot.concurrency[i].rule;
    json.begin_object();
    json.text("name", limits[i].limit);
    json.number("requests", rule.requests);
    json.number("queue", rule.queue);
    json.boolean("report_only", rule.report_only);
    json.number("in_flight", static_cast<std::uint64_t>(limits[i].in_flight));
    json.number("waiting", static_cast<std::uint64_t>(limits[i].waiting));
    json.number("admitted", limits[i].admitted);
    json.number("refused", limits[i].full + limits[i].too_late);
    json.number("would_refuse", limits[i].would_refuse);
    json.end_object();
  }
  json.end_array();
}

MonotonicTime monotonic_now() { return MonotonicTime(std::chrono::steady_clock::now()); }

}  // namespace

AdminPage Gateway::page(std::string_view path) {
  if (path == "/healthz") return {200, kJson, "{\"status\":\"ok\"}\n"};
  if (path == "/readyz") return ready_page();
  if (path == "/status") return {200, kJson, status_json()};
  if (path == "/metrics") {
    std::string text;
    std::unique_lock lock(mutex_);
    telemetry::ProcessMetrics process = process_metrics();
    lock.unlock();
    telemetry::write_prometheus(text, *metrics_, process);
    return {200, telemetry::kPrometheusContentType, std::move(text)};
  }
  return {404, "text/plain", "pages: /healthz /readyz /status /metrics\n"};
}

// Ready: protected routes can be answered, and no drain has begun. K02: without keys this is no.
AdminPage Gateway::ready_page() {
  if (draining_) return {503, kJson, "{\"status\":\"draining\"}\n"};
  std::lock_guard lock(mutex_);
  if (key_source_ && !key_source_->ready()) return {503, kJson, "{\"status\":\"keys_unavailable\"}\n"};
  return {200, kJson, "{\"status\":\"ready\"}\n"};
}

telemetry::ProcessMetrics Gateway::process_metrics() {
  telemetry::ProcessMetrics out;
  out.version = version_;
  out.config_hash = snapshot_->config.content_hash;
  out.started = started_;
  out.last_reload = reload_.last;
  out.last_reload_succeeded = reload_.succeeded;
  out.reloads = reload_.count;
  out.reload_failures = reload_.failures;
  out.workers = static_cast<std::uint32_t>(workers_.size());
  if (key_source_) out.issuers = key_source_->metrics();
  if (snapshot_->directory) out.user_management = user_management_metrics(*snapshot_, changes_feed_.get());
  // The shared ones were made before the snapshot that refers to them was published, and are never replaced.
  out.buckets = bucket_metrics({*buckets_, shared_buckets_.get()}, *snapshot_, workers_);
  if (snapshot_->config.limit_store) out.buckets.store = store_metrics(shared_buckets_->stats());
  out.concurrency = concurrency_metrics(*snapshot_, workers_);
  auto now = monotonic_now();
  for (const auto& service : snapshot_->services) {
    for (const auto& endpoint : service.endpoints) {
      out.endpoints.push_back({service.name, endpoint.text, !endpoint.health->is_suspect(now)});
    }
  }
  out.log = log_->stats();
  return out;
}

std::string Gateway::status_json() {
  // Held throughout: what is listed has to be of the snapshot whose limits and services it is put beside.
  std::lock_guard lock(mutex_);
  telemetry::ProcessMetrics process = process_metrics();
  JsonWriter json;
  json.begin_object();
  json.text("version", version_);
  json.time("started", started_);
  json.text("state", draining_ ? "draining" : "running");
  json.number("workers", process.workers);
  json.number("client_connections", shared_->connections.open());
  json.begin_array("listeners");
  for (const auto& address : bound_) json.element(to_string(address));
  json.end_array();
  json.begin_object("configuration");
  json.text("file", config_file_);
  json.text("hash", fmt::format("{:016x}", process.config_hash));
  json.time("last_reload", reload_.last);
  json.boolean("last_reload_succeeded", reload_.succeeded);
  json.number("reloads", reload_.count);
  json.begin_array("errors");
  for (const auto& line : reload_.errors) json.element(line);
  json.end_array();
  json.end_object();
  write_routes(json, *snapshot_);
  write_services(json, *snapshot_, monotonic_now());
  write_issuers(json, process.issuers, key_source_ ? key_source_->problems() : std::vector<std::string>());
  if (process.user_management) write_user_management(json, *process.user_management);
  write_limit_status(json, {.snapshot = *snapshot_,
                            .places = {*buckets_, shared_buckets_.get()},
                            .workers = workers_,
                            .names = key_names_,
                            .metrics = process.buckets,
                            .now = monotonic_now(),
                            .wall_now = std::chrono::system_clock::now()});
  write_concurrency(json, process.concurrency, *snapshot_);
  json.begin_object("access_log");
  json.number("lines", process.log.lines);
  json.number("dropped_lines", process.log.dropped_lines);
  json.number("write_errors", process.log.write_errors);
  json.end_object();
  json.end_object();
  return json.take();
}

}  // namespace lotagate
