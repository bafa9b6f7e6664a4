// What tells the buckets of a limit apart.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/values.h"
#include "http/field.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxParts = 8;
constexpr std::size_t kMaxFieldBytes = 256;
// In the order of LimitKeyPart::Kind; the last two are maps in the file.
constexpr std::array<std::string_view, 8> kKinds{"user",  "tenant",  "address", "api_key",
                                                 "route", "service", "header",  "claim"};
constexpr std::span<const std::string_view> kWords = std::span(kKinds).first(6);
constexpr std::string_view kSources[] = {"trusted_proxies", "anyone"};  // in the order of LimitKeyPart::from_anyone

// Why no limit can look at a field of this lower-case name; empty: it can.
std::string_view why_no_limit(std::string_view name, const ApiKeys& api_keys) {
  if (iequals(name, api_keys.header)) return "it carries API keys; a key's own buckets are those of `api_key`";
  // Of answers alone, where the gateway lets it pass unread.
  if (name == "set-cookie") return "it carries credentials";
  http::FieldName field = http::classify_field(name);
  switch (field) {
    case http::FieldName::host: return "it names the service, not the client; `route` and `service` can be parts";
    case http::FieldName::authorization:
    case http::FieldName::cookie:
    case http::FieldName::proxy_authorization:
    case http::FieldName::x_api_key: return "it carries credentials";
    case http::FieldName::forwarded:
    case http::FieldName::max_forwards:
    case http::FieldName::via:
    case http::FieldName::x_request_id:
    case http::FieldName::traceparent:
    case http::FieldName::gateway_owned: return "the gateway sets it itself";
    default: break;
  }
  return http::is_hop_by_hop(field) ? "it belongs to one connection, not to the request or the answer" : "";
}

// Where the field does not count because the peers are clients themselves.
void warn_about_listeners(Problems& problems, const YamlNode& header, const std::vector<Listener>& listeners) {
  const Listener* first = nullptr;
  std::size_t open = 0;
  for (const Listener& listener : listeners) {
    if (!listener.trusted_proxies.empty()) continue;
    if (first == nullptr) first = &listener;
    ++open;
  }
  if (first == nullptr) return;
  std::string others = open > 1 ? fmt::format(" and {} more", open - 1) : "";
  problems.warn(header.at, fmt::format("on listener {}{} nobody is trusted: there `{}` does not count, and the user or "
                                       "the address stands in; name `trusted_proxies`, or say whom to believe with "
                                       "`from`",
                                       to_string(first->address), others, shown(header.text)));
}

std::optional<LimitKeyPart> read_header_part(MapReader& map, const Config& config) {
  const YamlNode& header = *map.find("header");
  auto name = read_limit_field(map.problems(), header, "a key", config.authentication.api_keys);
  auto from = map.choice("from", kSources);
  bool anyone = from == 1;
  if (!name) return std::nullopt;
  if (anyone) {
    map.problems().warn(header.at, fmt::format("clients can forge `{}`: whoever changes it has a new bucket, and "
                                               "whoever knows another's empties that one",
                                               shown(header.text)));
  } else if (map.find("from") == nullptr) {
    warn_about_listeners(map.problems(), header, config.listeners);
  }
  return LimitKeyPart{.kind = LimitKeyPart::Kind::header, .name = *std::move(name), .from_anyone = anyone};
}

std::optional<LimitKeyPart> read_map_part(Problems& problems, const YamlNode& node, const Config& config) {
  MapReader map(problems, node, kLimitKeyKeys);
  bool header = map.find("header") != nullptr;
  if (header == (map.find("claim") != nullptr)) {
    problems.add(node.at, "a part that is a map has either `header` or `claim`");
    return std::nullopt;
  }
  if (header) return read_header_part(map, config);
  if (const YamlNode* from = map.find("from")) problems.add(from->key_at, "`from` goes with `header`");
  auto claim = read_claim(map, "claim");
  if (!claim) return std::nullopt;
  return LimitKeyPart{.kind = LimitKeyPart::Kind::claim, .name = *std::move(claim)};
}

// A tenant comes with the user from the User Management Service, or with the token.
bool knows_tenants(const Config& config) {
  auto names_tenant = [](const Issuer& issuer) { return !issuer.rights.tenant.empty(); };
  return config.user_management || std::ranges::any_of(config.authentication.issuers, names_tenant);
}

std::optional<LimitKeyPart> read_part(Problems& problems, const YamlNode& node, const Config& config) {
  if (node.kind == YamlNode::Kind::map) return read_map_part(problems, node, config);
  auto found = node.kind == YamlNode::Kind::scalar ? std::ranges::find(kWords, node.text) : kWords.end();
  if (found != kWords.end()) {
    auto kind = static_cast<LimitKeyPart::Kind>(found - kWords.begin());
    if (kind == LimitKeyPart::Kind::tenant && !knows_tenants(config)) {
      problems.warn(node.at,
                    "nobody has a tenant without `authorization.user_management` or an issuer's "
                    "`tenant_claim`: the user stands in, or the address");
    }
    return LimitKeyPart{.kind = kind};
  }
  problems.add(node.at, fmt::format("expected one of user, tenant, address, api_key, route, service, {{ header: NAME "
                                    "}}, {{ claim: NAME }}, found {}{}",
                                    describe(node), hint(node.text, kWords)));
  return std::nullopt;
}

std::vector<LimitKeyPart> read_parts(Problems& problems, const YamlNode& node, const Config& config) {
  std::vector<LimitKeyPart> key;
  for (const YamlNode& item : read_list(problems, node, {.what = "a list of parts", .most = kMaxParts})) {
    auto part = read_part(problems, item, config);
    if (!part) continue;
    // Two headers of one name are the same part, whoever is believed.
    auto same = [&](const LimitKeyPart& other) { return other.kind == part->kind && other.name == part->name; };
    if (std::ranges::any_of(key, same)) {
      std::string_view kind = kKinds[static_cast<std::size_t>(part->kind)];
      problems.add(item.at, part->name.empty() ? fmt::format("`{}` is repeated", kind)
                                               : fmt::format("the {} `{}` is repeated", kind, shown(part->name)));
    } else {
      key.push_back(*std::move(part));
    }
  }
  return key;
}

}  // namespace

std::optional<std::string> read_limit_field(Problems& problems, const YamlNode& node, std::string_view what,
                                            const ApiKeys& api_keys) {
  auto text = read_scalar(problems, node, "a header's name");
  if (!text) return std::nullopt;
  std::string name;
  for (char c : *text) name += ascii_lower(c);
  if (!is_token(name) || name.size() > kMaxFieldBytes) {
    problems.add(node.at, fmt::format("`{}` is not a header's name", shown(*text)));
  } else if (auto why = why_no_limit(name, api_keys); !why.empty()) {
    problems.add(node.at, fmt::format("`{}` cannot be {}: {}", shown(*text), what, why));
  } else {
    return name;
  }
  return std::nullopt;
}

std::vector<LimitKeyPart> read_limit_key(Problems& problems, const YamlNode& node, const Config& config) {
  std::vector<LimitKeyPart> key;
  if (node.kind == YamlNode::Kind::sequence) {
    key = read_parts(problems, node, config);
  } else if (auto part = read_part(problems, node, config)) {
    key.push_back(*std::move(part));
  }
  if (key.empty()) key.emplace_back();
  return key;
}

std::string_view part_of_caller(const std::vector<LimitKeyPart>& key) {
  for (const LimitKeyPart& part : key) {
    switch (part.kind) {
      case LimitKeyPart::Kind::user:
      case LimitKeyPart::Kind::tenant:
      case LimitKeyPart::Kind::api_key:
      case LimitKeyPart::Kind::claim: return kKinds[static_cast<std::size_t>(part.kind)];
      case LimitKeyPart::Kind::address:
      case LimitKeyPart::Kind::route:
      case LimitKeyPart::Kind::service:
      case LimitKeyPart::Kind::header: break;
    }
  }
  return {};
}

}  // namespace lotagate::config
