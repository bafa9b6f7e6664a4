// The section of services.
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
constexpr DurationRange kConnect{10ms, 1min};
constexpr DurationRange kFirstByte{10ms, 1h};
constexpr DurationRange kBetweenBytes{10ms, 24h};  // also of upgraded connections

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

}  // namespace lotagate::config
