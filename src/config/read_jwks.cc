// Where the keys of one issuer come from.
#include <fmt/core.h>

#include "access/key_set.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/values.h"

namespace lotagate::config {
namespace {

using namespace std::chrono_literals;

constexpr DurationRange kRefresh{1s, 24h};
constexpr DurationRange kMaxStale{0ms, 30 * 24h};
constexpr DurationRange kCooldown{1s, 10min};

void report_sources(MapReader& map) {
  constexpr std::string_view kSources[] = {"url", "file", "discovery"};
  std::string_view first;
  for (std::string_view source : kSources) {
    const YamlNode* found = map.find(source);
    if (found == nullptr) continue;
    if (first.empty()) {
      first = source;
    } else {
      map.problems().add(found->key_at, fmt::format("`{}` and `{}` exclude each other", source, first));
    }
  }
  if (first.empty() && map.is_map()) {
    map.problems().add(map.node().at, "missing required key `url`, `file` or `discovery`");
  }
}

std::optional<Url> read_url(Problems& problems, const YamlNode& node, std::string_view text) {
  auto url = parse_url(text);
  if (url) return *std::move(url);
  problems.add(node.at, url.error());
  return std::nullopt;
}

void read_file(Problems& problems, const YamlNode& key, Jwks& jwks) {
  auto content = read_named_file(problems, key, jwks.file, access::kMaxJwksBytes);
  if (!content) return;
  if (auto keys = access::parse_jwks(*content); !keys) {
    problems.add(key.key_at, fmt::format("the file that `file` names holds no usable key set: {}", keys.error()));
  }
  jwks.file_content = *std::move(content);
}

// OpenID Connect Discovery 1.0, 4: the issuer without a '/' at its end, and a fixed path.
std::optional<Url> metadata_url(std::string_view issuer) {
  auto url = parse_url(issuer);
  if (!url || url->path.contains('?')) return std::nullopt;
  if (issuer.ends_with('/')) issuer.remove_suffix(1);
  auto derived = parse_url(std::string(issuer) + "/.well-known/openid-configuration");
  return derived ? std::optional(*std::move(derived)) : std::nullopt;
}

std::optional<Url> read_discovery(Problems& problems, const YamlNode& node, std::string_view text,
                                  std::string_view issuer) {
  if (node.quoted || text != "true") {
    if (text.contains("://")) return read_url(problems, node, text);
    problems.add(node.at, fmt::format("expected `true` or a URL, found `{}`", shown(text)));
    return std::nullopt;
  }
  if (issuer.empty()) return std::nullopt;  // reported there
  auto url = metadata_url(issuer);
  if (!url) problems.add(node.at, "`true` needs an `issuer` that is an http or https URL without a query");
  return url;
}

}  // namespace

void read_jwks(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, std::string_view issuer,
               Jwks& jwks) {
  MapReader map(problems, node, kJwksKeys);
  report_sources(map);
  if (auto text = map.text("url")) jwks.url = read_url(problems, *map.find("url"), *text);
  if (auto name = map.text("file")) {
    jwks.file = (folder / *name).lexically_normal().string();
    read_file(problems, *map.find("file"), jwks);
  }
  if (const YamlNode* discovery = map.find("discovery")) {
    auto text = read_scalar(problems, *discovery, "`true` or a URL");
    if (text) jwks.discovery = read_discovery(problems, *discovery, *text, issuer);
  }
  set(jwks.refresh, map.whole_seconds("refresh", kRefresh));
  set(jwks.max_stale, map.whole_seconds("max_stale", kMaxStale));
  set(jwks.cooldown, map.duration("cooldown", kCooldown));
}

}  // namespace lotagate::config
