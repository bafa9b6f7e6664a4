// The sections about who may come in: issuers of tokens and the User Management Service.
#include <fmt/core.h>

#include <algorithm>

#include "access/key_set.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/units.h"
#include "config/values.h"

namespace lotagate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxIssuers = 64;
constexpr std::size_t kMaxAudiences = 64;
constexpr std::size_t kMaxServiceTokenBytes = 8ull * 1024;
constexpr DurationRange kClockSkew{0ms, 60s};
constexpr NumberRange kTokenCacheBytes{0, 4ull << 30};
constexpr DurationRange kRefresh{1s, 24h};
constexpr DurationRange kMaxStale{0ms, 30 * 24h};
constexpr DurationRange kFreshFor{1ms, 1h};
constexpr DurationRange kStaleFor{0ms, 24h};
constexpr DurationRange kLookUpTimeout{10ms, 30s};
constexpr NumberRange kUsers{1, 10'000'000};

void read_algorithms(Problems& problems, const YamlNode& node, std::vector<jose::Algorithm>& algorithms) {
  const CollectionRule rule{.what = "a list of algorithms", .most = 16};
  for (const YamlNode* item : read_texts(problems, node, rule)) {
    auto algorithm = jose::parse_algorithm(item->text);
    if (algorithm && !jose::is_symmetric(*algorithm)) {
      algorithms.push_back(*algorithm);
    } else {
      problems.add(item->at, fmt::format("`{}` is not an algorithm that is accepted{}", shown(item->text),
                                         hint_or_list(item->text, jose::kPublicKeyAlgorithmNames)));
    }
  }
}

void read_jwks_file(Problems& problems, const YamlNode& key, Jwks& jwks) {
  auto content = read_named_file(problems, key, jwks.file, access::kMaxJwksBytes);
  if (!content) return;
  if (auto keys = access::parse_jwks(*content); !keys) {
    problems.add(key.key_at, fmt::format("the file that `file` names holds no usable key set: {}", keys.error()));
  }
  jwks.file_content = *std::move(content);
}

void read_jwks(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, Jwks& jwks) {
  MapReader map(problems, node, kJwksKeys);
  const YamlNode* url = map.find("url");
  const YamlNode* file = map.find("file");
  if (map.is_map() && url == nullptr && file == nullptr) {
    problems.add(node.at, "missing required key `url` or `file`");
  }
  if (url != nullptr && file != nullptr) problems.add(file->key_at, "`file` and `url` exclude each other");
  if (auto text = map.text("url")) {
    if (auto parsed = parse_url(*text)) {
      jwks.url = *std::move(parsed);
    } else {
      problems.add(url->at, parsed.error());
    }
  }
  if (auto name = map.text("file")) {
    jwks.file = (folder / *name).lexically_normal().string();
    read_jwks_file(problems, *file, jwks);
  }
  set(jwks.refresh, map.whole_seconds("refresh", kRefresh));
  set(jwks.max_stale, map.whole_seconds("max_stale", kMaxStale));
}

Issuer read_issuer(Problems& problems, const YamlNode& node, const std::filesystem::path& folder,
                   const std::vector<Issuer>& others) {
  Issuer issuer;
  MapReader map(problems, node, kIssuerKeys);
  const YamlNode* name = map.require("issuer");
  if (auto text = map.text("issuer")) {
    if (std::ranges::find(others, *text, &Issuer::issuer) != others.end()) {
      problems.add(name->at, fmt::format("the issuer `{}` is given twice", shown(*text)));
    }
    issuer.issuer = *std::move(text);
  }
  if (const YamlNode* audiences = map.find("audiences")) {
    for (const YamlNode* item :
         read_texts(problems, *audiences, {.what = "a list of audiences", .most = kMaxAudiences})) {
      issuer.audiences.push_back(item->text);
    }
  }
  if (const YamlNode* algorithms = map.require("algorithms")) read_algorithms(problems, *algorithms, issuer.algorithms);
  if (const YamlNode* jwks = map.require("jwks")) read_jwks(problems, *jwks, folder, issuer.jwks);
  return issuer;
}

void read_service_token(Problems& problems, MapReader& map, const std::filesystem::path& folder,
                        UserManagement& service) {
  const YamlNode* node = map.require("token_file");
  auto name = map.text("token_file");
  if (!name) return;
  service.token_file = (folder / *name).lexically_normal().string();
  auto content = read_named_file(problems, *node, service.token_file, kMaxServiceTokenBytes);
  if (!content) return;
  std::string_view token = *content;
  constexpr std::string_view kBlank = " \t\r\n";
  token.remove_prefix(std::min(token.find_first_not_of(kBlank), token.size()));
  token = token.substr(0, token.find_last_not_of(kBlank) + 1);
  // It becomes a header field's value: anything but visible ASCII could split the field or be read differently.
  if (token.empty() || token.contains(' ') || !is_printable(token)) {
    problems.add(node->key_at, "the file that `token_file` names has to hold one word of visible ASCII");
    return;
  }
  service.token = token;
}

void read_user_management(Problems& problems, const YamlNode& node, const std::filesystem::path& folder,
                          UserManagement& service) {
  MapReader map(problems, node, kUserManagementKeys);
  const YamlNode* url = map.require("url");
  if (auto text = map.text("url")) {
    if (auto parsed = parse_endpoint(*text)) {
      service.url = *std::move(parsed);
    } else {
      problems.add(url->at, parsed.error());
    }
  }
  read_service_token(problems, map, folder, service);
  set(service.fresh_for, map.duration("fresh_for", kFreshFor));
  set(service.stale_for, map.duration("stale_for", kStaleFor));
  set(service.timeout, map.duration("timeout", kLookUpTimeout));
  set(service.max_users, map.number("max_users", kUsers));
}

}  // namespace

void read_authentication(Problems& problems, const YamlNode& node, const std::filesystem::path& folder,
                         Authentication& authentication) {
  MapReader map(problems, node, kAuthenticationKeys);
  set(authentication.clock_skew, map.whole_seconds("clock_skew", kClockSkew));
  set(authentication.token_cache_bytes, map.size("token_cache", kTokenCacheBytes));
  const YamlNode* issuers = map.require("issuers");
  if (issuers == nullptr) return;
  for (const YamlNode& item : read_list(problems, *issuers, {.what = "a list of issuers", .most = kMaxIssuers})) {
    authentication.issuers.push_back(read_issuer(problems, item, folder, authentication.issuers));
  }
}

void read_authorization(Problems& problems, const YamlNode& node, const std::filesystem::path& folder,
                        std::optional<UserManagement>& user_management) {
  MapReader map(problems, node, kAuthorizationKeys);
  if (const YamlNode* service = map.require("user_management")) {
    read_user_management(problems, *service, folder, user_management.emplace());
  }
}

}  // namespace lotagate::config
