#include "gateway/limit_status.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "gateway/limit_metrics.h"
#include "gateway/worker.h"
#include "limit/heavy_keys.h"

namespace lotagate {
namespace {

constexpr std::size_t kShownKeys = 10;

std::uint64_t whole_seconds(nanoseconds time) {
  return static_cast<std::uint64_t>(std::max(std::chrono::floor<seconds>(time), seconds(0)).count());
}

// The entries of all workers, those of one key added up; grouped by kind, the heaviest first.
std::vector<limit::HeavyKey> heavy_keys(const LimitStatus& status) {
  std::vector<limit::HeavyKey> all;
  for (const auto& worker : status.workers) worker->heavy_keys().entries(status.now, all);
  std::ranges::sort(all, {}, &limit::HeavyKey::key);
  std::size_t count = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (count == 0 || all[count - 1].key != all[i].key) {
      all[count++] = all[i];
      continue;
    }
    limit::HeavyKey& sum = all[count - 1];
    sum.takes += all[i].takes;
    sum.refused += all[i].refused;
    sum.since = std::min(sum.since, all[i].since);
  }
  all.resize(count);
  std::ranges::sort(all, [](const limit::HeavyKey& a, const limit::HeavyKey& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.takes > b.takes;
  });
  return all;
}

void write_heaviest(JsonWriter& json, std::span<const limit::HeavyKey> keys, bool in_clear, const LimitStatus& status) {
  json.begin_array("heaviest");
  for (const limit::HeavyKey& key : keys.first(std::min(keys.size(), kShownKeys))) {
    json.begin_object();
    json.text("key", in_clear ? limit::clear_name(key.identity(), key.identity_cut)
                              : status.names.hidden(key.key, key.identity()));
    json.number("takes", key.takes);
    json.number("refused", key.refused);
    json.time("since", status.wall_now - (status.now - key.since));
    json.end_object();
  }
  json.end_array();
}

void write_bucket(JsonWriter& json, const config::CompiledLimit& limit, const config::CompiledBucket& bucket,
                  std::span<const limit::HeavyKey> heavy, const LimitStatus& status) {
  json.begin_object();
  json.text("name", limit.rule.name);
  if (!bucket.value.empty()) json.text("case", bucket.value);
  json.boolean("unlimited", bucket.unlimited);
  if (!bucket.unlimited) {
    json.number("tokens", bucket.policy.burst);
    json.number("refilled_in_ms", (bucket.policy.window_ns + 500'000) / 1'000'000);  // intervals are rounded
  }
  bool early = limit.rule.stage == config::LimitStage::before_authentication;
  json.text("stage", early ? "before_authentication" : "after_authentication");
  json.boolean("shared", limit.rule.shared);
  json.boolean("report_only", limit.rule.report_only);
  if (!bucket.unlimited) {
    LimitNumbers numbers = limit_numbers(bucket, status.places, status.workers);
    json.number("allowed", numbers.allowed);
    json.number("refused", numbers.refused);
    json.number("would_refuse", numbers.would_refuse);
    if (limit.rule.shared) {
      json.number("store_away", numbers.store_away);
      json.number("store_calls", numbers.store_calls);
      json.number("oldest_lease_ms", static_cast<std::uint64_t>(numbers.oldest_lease / milliseconds(1)));
    }
    json.number("keys", numbers.keys);
    json.number("evictions", numbers.evictions);
    auto [first, last] = std::ranges::equal_range(heavy, bucket.policy.kind, {}, &limit::HeavyKey::kind);
    write_heaviest(json, {first, last}, limit.rule.show_keys, status);
  }
  json.end_object();
}

void write_store(JsonWriter& json, const telemetry::LimitStoreMetrics& store) {
  json.begin_object("store");
  json.boolean("connected", store.connected);
  json.number("gateways", store.gateways);
  json.number("calls_ok", store.calls_ok);
  json.number("calls_failed", store.calls_failed);
  json.number("calls_timed_out", store.calls_timed_out);
  json.number("round_trips", store.round_trips);
  json.number("keys", store.keys);
  json.number("slots", store.slots);
  json.number("evictions", store.evictions);
  json.number("no_room", store.no_room);
  json.number("tokens_held", store.tokens_held);
  json.number("tokens_owed", store.tokens_owed);
  json.number("oldest_lease_ms", static_cast<std::uint64_t>(store.oldest_lease / milliseconds(1)));
  if (store.since_last_success) {
    json.number("last_success_seconds", whole_seconds(*store.since_last_success));
  } else {
    json.null("last_success_seconds");
  }
  json.number("lost", store.lost);
  if (!store.last_error.empty()) json.text("last_error", store.last_error);
  json.end_object();
}

}  // namespace

void write_limit_status(JsonWriter& json, const LimitStatus& status) {
  json.begin_object("rate_limits");
  json.number("table_bytes", status.metrics.bytes);
  json.number("buckets", status.metrics.occupied);
  json.number("evictions", status.metrics.evictions);
  if (status.metrics.store) write_store(json, *status.metrics.store);
  std::vector<limit::HeavyKey> heavy = heavy_keys(status);
  json.begin_array("policies");
  for (const config::CompiledLimit& limit : status.snapshot.limits) {
    for (const config::CompiledBucket& bucket : limit.buckets) write_bucket(json, limit, bucket, heavy, status);
  }
  json.end_array();
  json.end_object();
}

}  // namespace lotagate
