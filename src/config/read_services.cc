// The sections that routes refer to by name: services and rate limits.
#include <fmt/core.h>

#include "config/sections.h"
#include "config/text_check.h"
#include "config/units.h"
#include "config/values.h"

namespace lotagate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxServices = 1000;
constexpr std::size_t kMaxEndpoints = 256;
constexpr std::size_t kMaxRateLimits = 1000;
constexpr DurationRange kConnect{10ms, 1min};
constexpr DurationRange kFirstByte{10ms, 1h};
constexpr DurationRange kBetweenBytes{10ms, 24h};  // also of upgraded connections
constexpr NumberRange kTokens{1, 1'000'000};
constexpr double kMostPerSecond = 1'000'000;
// A bucket is one 64-bit time in nanoseconds: the time to fill it from empty must stay far from overflow.
constexpr double kMostSecondsToFill = 366.0 * 86400;
constexpr NumberRange kTableBytes{64ull * 1024, 4ull << 30};

void read_endpoints(Problems& problems, const YamlNode& node, std::vector<Url>& endpoints) {
  for (const YamlNode* item : read_texts(problems, node, {.what = "a list of endpoints", .most = kMaxEndpoints})) {
    auto url = parse_endpoint(item->text);
    if (url) {
      endpoints.push_back(*std::move(url));
    } else {
      problems.add(item->at, url.error());
    }
  }
}

void read_refill(MapReader& map, RateLimit& limit) {
  const YamlNode* node = map.require("refill");
  if (node == nullptr) return;
  auto text = read_scalar(map.problems(), *node, "a rate such as `50/s`");
  if (!text) return;
  auto rate = parse_rate(*text);
  if (!rate) {
    map.problems().add(node->at, rate.error());
  } else if (!(*rate > 0) || *rate > kMostPerSecond) {
    map.problems().add(node->at,
                       fmt::format("`{}` is out of range: more than 0, at most {}/s", shown(*text), kMostPerSecond));
  } else if (limit.size.tokens / *rate > kMostSecondsToFill) {
    map.problems().add(node->at, fmt::format("`{}` is too slow: {} tokens would take more than 366d to come back",
                                             shown(*text), limit.size.tokens));
  } else {
    limit.size.refill_per_second = *rate;
  }
}

}  // namespace

void read_services(Problems& problems, const YamlNode& node, std::vector<Service>& services) {
  for (const YamlNode& item : read_named(problems, node, {.what = "a map of services", .most = kMaxServices})) {
    Service service{.name = item.key, .endpoints = {}, .timeouts = {}};
    MapReader map(problems, item, kServiceKeys);
    if (const YamlNode* endpoints = map.require("endpoints")) read_endpoints(problems, *endpoints, service.endpoints);
    if (const YamlNode* timeouts = map.find("timeouts")) {
      MapReader values(problems, *timeouts, kServiceTimeoutsKeys);
      set(service.timeouts.connect, values.duration("connect", kConnect));
      set(service.timeouts.first_byte, values.duration("first_byte", kFirstByte));
      set(service.timeouts.between_bytes, values.duration("between_bytes", kBetweenBytes));
      set(service.timeouts.upgrade_idle, values.duration("upgrade_idle", kBetweenBytes));
    }
    services.push_back(std::move(service));
  }
}

void read_rate_limits(Problems& problems, const YamlNode& node, Config& config) {
  const CollectionRule rule{.what = "a map of rate limits", .most = kMaxRateLimits, .may_be_empty = true};
  for (const YamlNode& item : read_named(problems, node, rule)) {
    RateLimit limit;
    limit.name = item.key;
    MapReader map(problems, item, kRateLimitKeys);
    if (const YamlNode* key = map.find("key")) limit.key = read_limit_key(problems, *key, config);
    if (part_of_caller(limit.key).empty()) limit.stage = LimitStage::before_authentication;
    map.require("tokens");
    set(limit.size.tokens, map.number("tokens", kTokens));
    read_refill(map, limit);
    set(limit.report_only, map.boolean("report_only"));
    config.rate_limits.push_back(std::move(limit));
  }
}

void read_rate_limit_table(Problems& problems, const YamlNode& node, RateLimitTable& table) {
  MapReader map(problems, node, kRateLimitTableKeys);
  set(table.memory_bytes, map.size("memory", kTableBytes));
}

}  // namespace lotagate::config
