// The section of routes, one by one; check_routes.cc compares them with each other.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/units.h"
#include "config/values.h"
#include "http/field.h"
#include "route/route_table.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxRoutes = 10'000;
constexpr std::size_t kMaxMethods = 7;
constexpr std::size_t kMaxHeaders = 16;
constexpr std::size_t kMaxHeaderBytes = 1024;  // of a name and of a value
constexpr std::size_t kMaxIssuers = 64;
constexpr std::size_t kMaxLimits = 16;
constexpr std::size_t kMaxUpgrades = 16;
constexpr std::size_t kMaxNameBytes = 128;
constexpr NumberRange kCost{1, 1'000'000};
constexpr NumberRange kBodyBytes{0, 1ull << 40};
constexpr std::string_view kUpgrades[] = {"websocket"};
constexpr std::string_view kErrorModes[] = {"transform", "passthrough"};  // in the order of ErrorMode

// Why no condition can look at a header of this lower-case name; empty: it can. A condition sees what the client sent.
std::string_view why_no_condition(std::string_view name, const ApiKeys& api_keys) {
  if (iequals(name, api_keys.header)) return "it carries API keys, which choose no route";
  switch (http::classify_field(name)) {
    case http::FieldName::host: return "use `host`, which is what the service is told";
    case http::FieldName::authorization:
    case http::FieldName::cookie:
    case http::FieldName::proxy_authorization:
    case http::FieldName::x_api_key: return "it carries credentials, which choose no route";
    case http::FieldName::forwarded:
    case http::FieldName::x_request_id:
    case http::FieldName::traceparent:
    case http::FieldName::gateway_owned:
      return "the gateway removes what clients send there, and a route would believe it";
    default: return {};
  }
}

// The same for every route: what routes refer to, and the names for hints.
class RouteReader {
 public:
  RouteReader(Problems& problems, const Config& config) : problems_(problems), config_(config) {
    for (const Service& service : config.services) service_names_.push_back(service.name);
    for (const RateLimit& limit : config.rate_limits) limit_names_.push_back(limit.name);
  }

  Route read(const YamlNode& node, RouteOrigin& origin);

 private:
  void read_name(MapReader& map, Route& route, RouteOrigin& origin);
  void read_path(MapReader& map, Route& route);
  void read_host(MapReader& map, Route& route);
  void read_methods(MapReader& map, Route& route);
  void read_headers(MapReader& map, Route& route);
  void read_service(MapReader& map, Route& route);
  void read_limits(MapReader& map, Route& route);
  void read_limit(const YamlNode& name, MapReader* use, Route& route);
  void read_cost(MapReader& use, const RateLimit& limit, RouteLimit& result);
  void read_upgrade(MapReader& map, Route& route);
  void read_require(MapReader& map, Route& route);
  void read_callers(MapReader& map, Route& route);
  void check_public(MapReader& map);
  void check_protection(MapReader& map, const Route& route);

  Problems& problems_;
  const Config& config_;
  std::vector<std::string_view> service_names_;
  std::vector<std::string_view> limit_names_;
};

Route RouteReader::read(const YamlNode& node, RouteOrigin& origin) {
  Route route;
  origin = {.at = node.at, .name_at = std::nullopt};
  MapReader map(problems_, node, kRouteKeys);
  read_name(map, route, origin);
  read_path(map, route);
  read_host(map, route);
  read_methods(map, route);
  read_headers(map, route);
  read_service(map, route);
  auto is_public = map.boolean("public");
  set(route.is_public, is_public);
  read_callers(map, route);
  read_require(map, route);
  read_limits(map, route);
  read_concurrency(map, config_.concurrency_limits, route);
  route.max_body = map.size("max_body", kBodyBytes);
  set(route.errors, map.choice("errors", kErrorModes));
  set(route.forward_token, map.boolean("forward_token"));
  read_upgrade(map, route);
  if (is_public || map.find("public") == nullptr) check_protection(map, route);
  return route;
}

void RouteReader::read_name(MapReader& map, Route& route, RouteOrigin& origin) {
  auto name = map.text("name");
  if (!name) return;
  const YamlNode& node = *map.find("name");
  bool fits = name->size() <= kMaxNameBytes && is_printable(*name) && name->find_first_of("\"\\") == name->npos;
  if (!fits) {
    problems_.add(node.at, fmt::format("`{}` is not a route's name: at most {} bytes of printable ASCII without quotes "
                                       "and backslashes",
                                       shown(*name), kMaxNameBytes));
    return;
  }
  route.name = *std::move(name);
  origin.name_at = node.at;
}

void RouteReader::read_path(MapReader& map, Route& route) {
  const YamlNode* node = map.require("path");
  auto text = map.text("path");
  if (!text) return;
  auto canonical = canonical_route_path(*text);
  if (!canonical) {
    problems_.add(node->at, canonical.error());
  } else if (*canonical != *text) {
    problems_.add(node->at, fmt::format("`{}` is not in canonical form; write `{}`", shown(*text), shown(*canonical)));
  } else {
    route.path = *std::move(canonical);
  }
}

void RouteReader::read_host(MapReader& map, Route& route) {
  auto text = map.text("host");
  if (!text) return;
  auto host = parse_host(*text);
  if (host) {
    route.host = *std::move(host);
  } else {
    problems_.add(map.find("host")->at, host.error() + "; a route's host has no port and no wildcard");
  }
}

void RouteReader::read_methods(MapReader& map, Route& route) {
  const YamlNode* node = map.find("methods");
  if (node == nullptr) return;
  const CollectionRule rule{.what = "a list of methods", .most = kMaxMethods};
  for (const YamlNode* item : read_texts(problems_, *node, rule)) {
    if (is_routable_method(problems_, item->text, item->at)) route.methods.push_back(item->text);
  }
}

void RouteReader::read_headers(MapReader& map, Route& route) {
  const YamlNode* node = map.find("headers");
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::map || node->children.empty() || node->children.size() > kMaxHeaders) {
    problems_.add(node->at, fmt::format("expected a map of 1 to {} header names and values, found {}", kMaxHeaders,
                                        node->kind == YamlNode::Kind::map ? std::to_string(node->children.size())
                                                                          : describe(*node)));
    return;
  }
  for (const YamlNode& item : node->children) {
    std::string name;
    for (char c : item.key) name += ascii_lower(c);
    auto same_name = [&](const auto& header) { return header.first == name; };
    if (!is_token(name) || name.size() > kMaxHeaderBytes) {
      problems_.add(item.key_at, fmt::format("`{}` is not a header's name", shown(item.key)));
    } else if (auto why = why_no_condition(name, config_.authentication.api_keys); !why.empty()) {
      problems_.add(item.key_at, fmt::format("`{}` cannot be a condition: {}", shown(item.key), why));
    } else if (std::ranges::any_of(route.headers, same_name)) {
      problems_.add(item.key_at, fmt::format("the header `{}` is given twice", shown(name)));
    } else if (auto value = read_scalar(problems_, item, "a header's value")) {
      if (is_printable(*value) && trim(*value) == *value && value->size() <= kMaxHeaderBytes) {
        route.headers.emplace_back(std::move(name), *value);
      } else {
        problems_.add(item.at, fmt::format("`{}` is not a header's value: printable ASCII without blanks at its ends",
                                           shown(*value)));
      }
    }
  }
}

void RouteReader::read_service(MapReader& map, Route& route) {
  const YamlNode* node = map.require("service");
  auto name = map.text("service");
  // Without any service the missing section is the mistake, and has been reported.
  if (!name || service_names_.empty()) return;
  auto found = std::ranges::find(service_names_, *name);
  if (found == service_names_.end()) {
    problems_.add(node->at, fmt::format("unknown service `{}`{}", shown(*name), hint_or_list(*name, service_names_)));
  } else {
    route.service = static_cast<std::size_t>(found - service_names_.begin());
  }
}

void RouteReader::read_limits(MapReader& map, Route& route) {
  const YamlNode* node = map.find("limits");
  if (node == nullptr) return;
  const CollectionRule rule{.what = "a list of names of rate limits", .most = kMaxLimits, .may_be_empty = true};
  for (const YamlNode& item : read_list(problems_, *node, rule)) {
    if (item.kind != YamlNode::Kind::map) {
      read_limit(item, nullptr, route);
      continue;
    }
    MapReader use(problems_, item, kRouteLimitKeys);
    if (const YamlNode* name = use.require("name")) read_limit(*name, &use, route);
  }
}

// `use`: the map that names it and has a cost of its own; null without.
void RouteReader::read_limit(const YamlNode& name, MapReader* use, Route& route) {
  auto text = read_scalar(problems_, name, "a text");
  if (!text) return;
  auto found = std::ranges::find(limit_names_, *text);
  if (found == limit_names_.end()) {
    problems_.add(name.at, fmt::format("unknown rate limit `{}`{}", shown(*text), hint_or_list(*text, limit_names_)));
    return;
  }
  auto index = static_cast<std::size_t>(found - limit_names_.begin());
  if (std::ranges::find(route.limits, index, &RouteLimit::limit) != route.limits.end()) {
    problems_.add(name.at, fmt::format("`{}` is repeated", shown(*text)));
    return;
  }
  const RateLimit& limit = config_.rate_limits[index];
  if (route.is_public && limit.by.kind != LimitSelector::Kind::none) {
    problems_.warn(name.at, fmt::format("nobody is known on a public route: everybody has the case `\"*\"` of `{}`",
                                        shown(*text)));
  }
  route.limits.push_back({.limit = index});
  if (use != nullptr) read_cost(*use, limit, route.limits.back());
}

void RouteReader::read_cost(MapReader& use, const RateLimit& limit, RouteLimit& result) {
  auto cost = use.number("cost", kCost);
  if (!cost) return;
  result.cost = static_cast<std::uint32_t>(*cost);
  std::uint32_t smallest = smallest_bucket(limit);
  if (smallest != 0 && *cost > smallest) {
    problems_.add(use.find("cost")->at, fmt::format("{} is more than the {} tokens of `{}`: no request would ever pass",
                                                    *cost, smallest, shown(limit.name)));
  } else if (!limit.cost.field.empty() && *cost > limit.cost.most) {
    problems_.add(use.find("cost")->at,
                  fmt::format("{} is more than the `most` of `{}`, {}", *cost, shown(limit.name), limit.cost.most));
  }
}

void RouteReader::read_upgrade(MapReader& map, Route& route) {
  const YamlNode* node = map.find("upgrade");
  if (node == nullptr) return;
  const CollectionRule rule{.what = "a list of protocols", .most = kMaxUpgrades, .may_be_empty = true};
  for (const YamlNode* item : read_texts(problems_, *node, rule)) {
    if (item->text == kUpgrades[0]) {
      route.websocket = true;
    } else {
      problems_.add(item->at, fmt::format("`{}` is not a protocol that can be upgraded to{}", shown(item->text),
                                          hint_or_list(item->text, kUpgrades)));
    }
  }
  bool takes_get = route.methods.empty() || std::ranges::find(route.methods, "GET") != route.methods.end();
  if (route.websocket && !takes_get) {
    problems_.add(node->key_at, "`upgrade` needs GET among the route's `methods`: a WebSocket begins with one");
  }
}

// Whose tokens count, and whether API keys do.
void RouteReader::read_callers(MapReader& map, Route& route) {
  set(route.api_keys, map.boolean("api_keys"));
  set(route.report_only, map.boolean("report_only"));
  if (route.api_keys && !config_.user_management) {
    problems_.add(map.find("api_keys")->key_at, "`api_keys` needs `authorization.user_management`, which keeps them");
  }
  const YamlNode* node = map.find("issuers");
  if (node == nullptr) return;
  route.issuers = 0;
  std::vector<std::string_view> names;
  for (const Issuer& issuer : config_.authentication.issuers) names.push_back(issuer.issuer);
  const CollectionRule rule{.what = "a list of issuers", .most = kMaxIssuers, .may_be_empty = route.api_keys};
  for (const YamlNode* item : read_texts(problems_, *node, rule)) {
    auto found = std::ranges::find(names, item->text);
    if (found == names.end()) {
      problems_.add(item->at, fmt::format("unknown issuer `{}`{}", shown(item->text), hint_or_list(item->text, names)));
    } else {
      route.issuers |= std::uint64_t{1} << (found - names.begin());
    }
  }
}

void RouteReader::read_require(MapReader& map, Route& route) {
  bool owned = route.path.contains(route::kSubjectSegment);
  if (const YamlNode* node = map.find("require")) {
    route.require = config::read_require(problems_, *node, route.methods, owned);
  } else if (route.report_only && !owned && !route.is_public) {
    problems_.add(map.find("report_only")->key_at, "`report_only` tries a `require` out, and there is none");
  }
}

void RouteReader::check_public(MapReader& map) {
  for (const char* key : {"require", "issuers", "api_keys", "report_only"}) {
    if (const YamlNode* node = map.find(key)) {
      problems_.add(node->key_at, fmt::format("a public route cannot have `{}`: nobody is known there", key));
    }
  }
  auto path = map.text("path");
  if (path && path->contains(route::kSubjectSegment)) {
    problems_.add(map.find("path")->at, "a public route cannot name a `{subject}`: nobody is known there");
  }
}

void RouteReader::check_protection(MapReader& map, const Route& route) {
  if (route.is_public) return check_public(map);
  const auto& issuers = config_.authentication.issuers;
  if (map.is_map() && issuers.empty() && !route.api_keys) {
    problems_.add(map.node().at, "a protected route needs `authentication.issuers`; name one, or say `public: true`");
  }
  const YamlNode* require = map.find("require");
  if (require == nullptr || config_.user_management) return;
  auto asks_rights = [](const access::MethodRule& rule) {
    return !rule.all.empty() || !rule.any.empty() || !rule.roles.empty();
  };
  auto gives_rights = [](const Issuer& issuer) {
    return !issuer.rights.roles.empty() || !issuer.rights.permissions.empty();
  };
  if (std::ranges::any_of(route.require, asks_rights) && std::ranges::none_of(issuers, gives_rights)) {
    problems_.add(require->key_at,
                  "`require` needs `authorization.user_management`, which knows who holds permissions, or an issuer "
                  "with a `roles_claim` or `permissions_claim`");
  }
}

}  // namespace

void read_routes(Problems& problems, const YamlNode& node, Config& config) {
  RouteReader reader(problems, config);
  std::vector<RouteOrigin> origins;
  for (const YamlNode& item : read_list(problems, node, {.what = "a list of routes", .most = kMaxRoutes})) {
    config.routes.push_back(reader.read(item, origins.emplace_back()));
  }
  check_routes(problems, config.routes, origins);
}

}  // namespace lotagate::config
