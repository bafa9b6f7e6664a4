#include "telemetry/prometheus.h"

#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace lotagate::telemetry {
namespace {

// One sample line, taken apart by the grammar of the text format 0.0.4.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

// Takes `name="value"` from the front of `text`, undoing the escapes; false if it is malformed.
bool take_label(std::string_view& text, std::map<std::string, std::string>& labels) {
  auto equals = text.find("=\"");
  if (equals == std::string_view::npos || !is_name(text.substr(0, equals))) return false;
  std::string name(text.substr(0, equals));
  text.remove_prefix(equals + 2);
  std::string value;
  while (!text.empty() && text[0] != '"') {
    if (text[0] == '\\') {
      if (text.size() < 2 || std::string_view("\\\"n").find(text[1]) == std::string_view::npos) return false;
      value += text[1] == 'n' ? '\n' : text[1];
      text.remove_prefix(2);
      continue;
    }
    value += text[0];
    text.remove_prefix(1);
  }
  if (text.empty()) return false;
  text.remove_prefix(1);
  return labels.emplace(name, value).second;
}

std::optional<Sample> parse_sample(std::string_view line) {
  Sample sample;
  auto name_end = line.find_first_of("{ ");
  if (name_end == std::string_view::npos || !is_name(line.substr(0, name_end))) return std::nullopt;
  sample.name = line.substr(0, name_end);
  line.remove_prefix(name_end);
  if (line[0] == '{') {
    do {
      line.remove_prefix(1);
      if (!take_label(line, sample.labels)) return std::nullopt;
    } while (!line.empty() && line[0] == ',');
    if (!line.starts_with("} ")) return std::nullopt;
    line.remove_prefix(1);
  }
  line.remove_prefix(1);
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), sample.value);
  if (error != std::errc() || end != line.data() + line.size()) return std::nullopt;
  return sample;
}

struct Parsed {
  std::map<std::string, std::string> types;
  std::vector<Sample> samples;

  std::vector<Sample> of(std::string_view name) const {
    std::vector<Sample> found;
    for (const Sample& sample : samples) {
      if (sample.name == name) found.push_back(sample);
    }
    return found;
  }
};

// Checks the text line by line: HELP, TYPE, samples of that family, no family twice, no series twice.
Parsed parse(const std::string& text) {
  Parsed parsed;
  std::set<std::pair<std::string, std::map<std::string, std::string>>> seen;
  std::string family;
  std::istringstream lines(text);
  EXPECT_TRUE(text.ends_with('\n'));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(family.starts_with("lotagate_") && is_name(family)) << line;
      EXPECT_FALSE(parsed.types.contains(family)) << line;
      EXPECT_GT(line.size(), 8 + family.size()) << line;
      continue;
    }
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string name, type;
      words >> name >> type;
      EXPECT_EQ(name, family);
      EXPECT_TRUE(type == "counter" || type == "gauge" || type == "histogram") << line;
      EXPECT_TRUE(parsed.types.emplace(name, type).second) << line;
      EXPECT_TRUE(type != "counter" || name.ends_with("_total")) << line;
      continue;
    }
    auto sample = parse_sample(line);
    EXPECT_TRUE(sample) << line;
    if (!sample) continue;
    std::string suffix = sample->name.starts_with(family) ? sample->name.substr(family.size()) : "?";
    bool histogram = parsed.types[family] == "histogram";
    EXPECT_TRUE(histogram ? suffix == "_bucket" || suffix == "_sum" || suffix == "_count" : suffix.empty()) << line;
    EXPECT_TRUE(seen.emplace(sample->name, sample->labels).second) << line;
    parsed.samples.push_back(*sample);
  }
  return parsed;
}

Parsed exposition(const Metrics& metrics, const ProcessMetrics& process = {}) {
  std::string text;
  write_prometheus(text, metrics, process);
  return parse(text);
}

TEST(Prometheus, SumsTheShards) {
  Metrics metrics(2);
  RequestRecord record;
  record.route_slot = metrics.route_slot("models", "training");
  record.method_index = method_index("GET");
  record.status = 429;
  record.code = ErrorCode::rate_limited;
  metrics.shard(0).record(record);
  metrics.shard(1).record(record);
  metrics.shard(1).record(record);
  metrics.shard(0).gauges.downstream_open.add(5);
  metrics.shard(1).gauges.downstream_open.sub(2);

  Parsed parsed = exposition(metrics);
  auto requests = parsed.of("lotagate_requests_total");
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].value, 3);
  std::map<std::string, std::string> expected{
      {"route", "models"}, {"service", "training"}, {"method", "GET"}, {"status", "429"}, {"code", "rate_limited"}};
  EXPECT_EQ(requests[0].labels, expected);
  EXPECT_EQ(parsed.of("lotagate_downstream_connections").at(0).value, 3);
}

TEST(Prometheus, HistogramsAreCumulative) {
  Metrics metrics(1);
  RequestRecord record;
  record.route_slot = metrics.route_slot("models", "training");
  for (nanoseconds duration : {nanoseconds(1), nanoseconds(milliseconds(3)), nanoseconds(seconds(100))}) {
    record.duration = duration;
    metrics.shard(0).record(record);
  }
  Parsed parsed = exposition(metrics);
  double before = 0;
  std::size_t buckets = 0;
  for (const Sample& sample : parsed.of("lotagate_request_duration_seconds_bucket")) {
    if (sample.labels.at("route") != "models") continue;
    EXPECT_GE(sample.value, before);
    before = sample.value;
    ++buckets;
    if (sample.labels.at("le") == "0.0025") EXPECT_EQ(sample.value, 1);
    if (sample.labels.at("le") == "0.005") EXPECT_EQ(sample.value, 2);
    if (sample.labels.at("le") == "60") EXPECT_EQ(sample.value, 2);
    if (sample.labels.at("le") == "+Inf") EXPECT_EQ(sample.value, 3);
  }
  EXPECT_EQ(buckets, kHistogramBounds.size() + 1);
  for (const Sample& sample : parsed.of("lotagate_request_duration_seconds_sum")) {
    if (sample.labels.at("route") == "models") EXPECT_NEAR(sample.value, 100.003, 1e-6);
  }
}

TEST(Prometheus, EscapesLabelsOfTheConfiguration) {
  Metrics metrics(1);
  const std::string odd = "a\"b\\c\nd{e=\"f\"} 7";
  RequestRecord record;
  record.route_slot = metrics.route_slot(odd, "s");
  metrics.shard(0).record(record);
  EXPECT_EQ(exposition(metrics).of("lotagate_requests_total").at(0).labels.at("route"), odd);
}

TEST(Prometheus, ShowsTheProcess) {
  Metrics metrics(1);
  ProcessMetrics process;
  process.version = "1.2.3";
  process.config_hash = 0xABC;
  process.last_reload = WallTime(seconds(1'763'869'000));
  process.last_reload_succeeded = false;
  process.issuers = {{.issuer = "https://a", .key_set_age = seconds(17), .keys = 2, .last_fetch_succeeded = false},
                     {.issuer = "https://b", .unknown_keys = 50, .refetches = 2, .refetches_suppressed = 48}};
  process.user_management.emplace();
  process.user_management->directories = {{.directory = "users", .entries = 4, .hits = 9},
                                          {.directory = "api_keys", .entries = 2}};
  process.user_management->max_stale = seconds(605);
  process.user_management->breaker = BreakerState::open;
  process.buckets = {.slots = 100, .occupied = 7, .evictions = 1, .policies = {{"per_user", 10, 3}}};
  process.buckets.policies.push_back(
      {.policy = "everywhere",
       .shared = SharedPolicyMetrics{.store_away = 5, .store_calls = 9, .oldest_lease = milliseconds(250)}});
  process.buckets.store = {.connected = true, .gateways = 4, .calls_timed_out = 2, .oldest_lease = milliseconds(1500)};
  process.endpoints = {{"users", "127.0.0.1:7001", false}};
  process.log.dropped_lines = 6;

  Parsed parsed = exposition(metrics, process);
  EXPECT_EQ(parsed.of("lotagate_config_info").at(0).labels.at("hash"), "0000000000000abc");
  EXPECT_EQ(parsed.of("lotagate_config_last_reload_timestamp_seconds").at(0).value, 1'763'869'000.0);
  EXPECT_EQ(parsed.of("lotagate_config_last_reload_successful").at(0).value, 0);
  EXPECT_EQ(parsed.of("lotagate_jwks_age_seconds").size(), 1u);
  EXPECT_EQ(parsed.of("lotagate_jwks_age_seconds").at(0).value, 17);
  EXPECT_EQ(parsed.of("lotagate_jwks_keys").size(), 2u);
  EXPECT_EQ(parsed.of("lotagate_jwks_last_fetch_successful").size(), 1u);
  EXPECT_EQ(parsed.of("lotagate_jwks_last_fetch_successful").at(0).value, 0);
  EXPECT_EQ(parsed.of("lotagate_jwks_unknown_keys_total").at(1).value, 50);
  EXPECT_EQ(parsed.of("lotagate_jwks_refetches_total").at(1).value, 2);
  EXPECT_EQ(parsed.of("lotagate_jwks_refetches_suppressed_total").at(1).value, 48);
  EXPECT_EQ(parsed.of("lotagate_role_directory_hits_total").at(0).value, 9);
  EXPECT_EQ(parsed.of("lotagate_role_directory_entries").at(1).labels.at("directory"), "api_keys");
  EXPECT_EQ(parsed.of("lotagate_role_directory_entries").at(1).value, 2);
  EXPECT_EQ(parsed.of("lotagate_role_directory_max_stale_seconds").at(0).value, 605);
  auto states = parsed.of("lotagate_user_management_breaker_state");
  ASSERT_EQ(states.size(), 3u);
  for (const auto& state : states) EXPECT_EQ(state.value, state.labels.at("state") == "open" ? 1 : 0);
  EXPECT_EQ(parsed.of("lotagate_bucket_table_occupied").at(0).value, 7);
  EXPECT_EQ(parsed.of("lotagate_rate_limit_requests_total").at(1).labels.at("result"), "refused");
  EXPECT_EQ(parsed.of("lotagate_rate_limit_requests_total").at(1).value, 3);
  ASSERT_EQ(parsed.of("lotagate_rate_limit_store_away_total").size(), 1u);
  EXPECT_EQ(parsed.of("lotagate_rate_limit_store_away_total").at(0).labels.at("policy"), "everywhere");
  EXPECT_EQ(parsed.of("lotagate_rate_limit_store_away_total").at(0).value, 5);
  EXPECT_EQ(parsed.of("lotagate_rate_limit_store_calls_total").at(0).value, 9);
  EXPECT_EQ(parsed.of("lotagate_rate_limit_oldest_lease_seconds").at(0).value, 0.25);
  EXPECT_EQ(parsed.of("lotagate_limit_store_connected").at(0).value, 1);
  EXPECT_EQ(parsed.of("lotagate_limit_store_gateways").at(0).value, 4);
  EXPECT_EQ(parsed.of("lotagate_limit_store_calls_total").at(2).labels.at("result"), "timed_out");
  EXPECT_EQ(parsed.of("lotagate_limit_store_calls_total").at(2).value, 2);
  EXPECT_EQ(parsed.of("lotagate_limit_store_oldest_lease_seconds").at(0).value, 1.5);
  EXPECT_TRUE(parsed.of("lotagate_limit_store_last_success_seconds").empty());
  EXPECT_EQ(parsed.of("lotagate_endpoint_healthy").at(0).value, 0);
  EXPECT_EQ(parsed.of("lotagate_access_log_dropped_lines_total").at(0).value, 6);
}

}  // namespace
}  // namespace lotagate::telemetry
