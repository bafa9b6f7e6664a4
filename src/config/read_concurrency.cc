// The section of concurrency limits, and what routes say of them.
#include <fmt/core.h>

#include <algorithm>

#include "config/sections.h"
#include "config/text_check.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxLimits = 256;
constexpr std::size_t kMaxLimitsOfRoute = 8;
constexpr NumberRange kRequests{1, 1'000'000};
// Whatever waits costs memory and a descriptor; more never got an answer that anybody still waited for.
constexpr NumberRange kQueue{1, 100'000};
constexpr DurationRange kWait{milliseconds(1), std::chrono::hours(1)};
constexpr std::string_view kPriorities[] = {"high", "normal", "low"};  // in the order of limit::Priority

ConcurrencyLimit read_limit(Problems& problems, const YamlNode& node, const Config& config) {
  ConcurrencyLimit limit;
  limit.name = node.key;
  MapReader map(problems, node, kConcurrencyLimitKeys);
  if (const YamlNode* key = map.find("key")) limit.key = read_limit_key(problems, *key, config);
  map.require("requests");
  set(limit.requests, map.number("requests", kRequests));
  set(limit.report_only, map.boolean("report_only"));
  if (const YamlNode* queue = map.find("queue")) {
    MapReader values(problems, *queue, kConcurrencyQueueKeys);
    values.require("requests");
    set(limit.queue, values.number("requests", kQueue));
    set(limit.wait, values.duration("wait", kWait));
  }
  return limit;
}

}  // namespace

void read_concurrency_limits(Problems& problems, const YamlNode& node, Config& config) {
  const CollectionRule rule{.what = "a map of concurrency limits", .most = kMaxLimits, .may_be_empty = true};
  for (const YamlNode& item : read_named(problems, node, rule)) {
    config.concurrency_limits.push_back(read_limit(problems, item, config));
  }
}

void read_concurrency(MapReader& map, const std::vector<ConcurrencyLimit>& limits, Route& route) {
  auto priority = map.choice("priority", kPriorities);
  set(route.priority, priority);
  const YamlNode* node = map.find("concurrency");
  if (node == nullptr) {
    if (!priority) return;
    map.problems().add(map.find("priority")->key_at,
                       "`priority` says who waits first under the limits of `concurrency`, and there are none");
    return;
  }
  std::vector<std::string_view> names;
  for (const ConcurrencyLimit& limit : limits) names.push_back(limit.name);
  const CollectionRule rule{
      .what = "a list of names of concurrency limits", .most = kMaxLimitsOfRoute, .may_be_empty = true};
  for (const YamlNode* item : read_texts(map.problems(), *node, rule)) {
    auto found = std::ranges::find(names, item->text);
    if (found == names.end()) {
      map.problems().add(item->at, fmt::format("unknown concurrency limit `{}`{}", shown(item->text),
                                               hint_or_list(item->text, names)));
    } else {
      route.concurrency.push_back(static_cast<std::size_t>(found - names.begin()));
    }
  }
}

}  // namespace lotagate::config
