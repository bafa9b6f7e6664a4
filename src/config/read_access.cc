// The sections about who may come in: issuers of tokens and the User Management Service.
#include <fmt/core.h>

#include <algorithm>

#include "access/key_set.h"
#include "access/role_directory.h"
#include "base/text.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/units.h"
#include "config/values.h"
#include "http/field.h"

namespace lotagate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxIssuers = 64;
constexpr std::size_t kMaxAudiences = 64;
constexpr std::size_t kMaxServiceTokenBytes = 8ull * 1024;
constexpr DurationRange kClockSkew{0ms, 60s};
constexpr NumberRange kTokenCacheBytes{0, 4ull << 30};
constexpr DurationRange kFreshFor{1ms, 1h};
constexpr DurationRange kStaleFor{0ms, 24h};
constexpr DurationRange kLookUpTimeout{10ms, 30s};
constexpr NumberRange kUsers{1, 10'000'000};
constexpr NumberRange kSecretFileBytes{1, 64ull * 1024};
constexpr NumberRange kDirectoryBytes{access::kMinDirectoryBytes, 4ull << 30};

// Those of public keys, or with a shared secret the symmetric ones: a list that mixes them would let a public key be
// used as a secret (J02).
void read_algorithms(Problems& problems, const YamlNode& node, bool symmetric,
                     std::vector<jose::Algorithm>& algorithms) {
  const CollectionRule rule{.what = "a list of algorithms", .most = 16};
  std::span<const std::string_view> names = jose::kPublicKeyAlgorithmNames;
  if (symmetric) names = std::span(jose::kAlgorithmNames).subspan(names.size());
  for (const YamlNode* item : read_texts(problems, node, rule)) {
    auto algorithm = jose::parse_algorithm(item->text);
    if (!algorithm) {
      problems.add(item->at, fmt::format("`{}` is not an algorithm that is accepted{}", shown(item->text),
                                         hint_or_list(item->text, names)));
    } else if (jose::is_symmetric(*algorithm) != symmetric) {
      problems.add(item->at, fmt::format("`{}` needs {}", item->text,
                                         symmetric ? "`jwks`, not a `secret_file`" : "a `secret_file`"));
    } else {
      algorithms.push_back(*algorithm);
    }
  }
}

// The file's bytes; a line end behind them (LF or CRLF), which editors and `echo` leave, is not one of them.
void read_secret(Problems& problems, MapReader& map, const std::filesystem::path& folder, Issuer& issuer) {
  const YamlNode* node = map.find("secret_file");
  auto name = map.text("secret_file");
  if (!name) return;
  auto content = read_named_file(problems, *node, (folder / *name).lexically_normal(), kSecretFileBytes.most);
  if (!content) return;
  if (content->ends_with('\n')) content->erase(content->size() - (content->ends_with("\r\n") ? 2 : 1));
  issuer.secret = *std::move(content);
  if (issuer.audiences.empty()) {
    problems.add(node->key_at, "`secret_file` needs `audiences`: whoever shares the secret can make tokens for anyone");
  }
  if (issuer.algorithms.empty()) return;  // missing or wrong, and reported
  auto keys = access::secret_key_set(issuer.secret, issuer.algorithms);
  if (!keys) problems.add(node->key_at, fmt::format("the file that `secret_file` names: {}", keys.error()));
}

// Keys come from a key set, or there is a shared secret; the algorithms have to fit.
void read_keys(Problems& problems, MapReader& map, const std::filesystem::path& folder, Issuer& issuer) {
  const YamlNode* jwks = map.find("jwks");
  const YamlNode* secret = map.find("secret_file");
  if (map.is_map() && jwks == nullptr && secret == nullptr) {
    problems.add(map.node().at, "missing required key `jwks`");
  }
  if (jwks != nullptr && secret != nullptr) problems.add(secret->key_at, "`secret_file` and `jwks` exclude each other");
  const YamlNode* algorithms = map.require("algorithms");
  if (algorithms != nullptr) read_algorithms(problems, *algorithms, secret != nullptr, issuer.algorithms);
  if (jwks != nullptr) read_jwks(problems, *jwks, folder, issuer.issuer, issuer.jwks);
  if (secret != nullptr) read_secret(problems, map, folder, issuer);
}

Issuer read_issuer(Problems& problems, const YamlNode& node, const std::filesystem::path& folder,
                   const Config& config) {
  Issuer issuer;
  MapReader map(problems, node, kIssuerKeys);
  const YamlNode* name = map.require("issuer");
  if (auto text = map.text("issuer")) {
    if (std::ranges::find(config.authentication.issuers, *text, &Issuer::issuer) !=
        config.authentication.issuers.end()) {
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
  read_keys(problems, map, folder, issuer);
  read_claims(problems, map, issuer);
  issuer.user_management = config.user_management.has_value();
  if (auto known = map.boolean("user_management")) {
    if (*known && !issuer.user_management) {
      problems.add(map.find("user_management")->at, "needs `authorization.user_management`, which is not configured");
    }
    issuer.user_management = *known && issuer.user_management;
  }
  return issuer;
}

// Without a prefix of its own an issuer could name the users of another one.
void check_subjects(Problems& problems, std::span<const YamlNode> issuers) {
  if (issuers.size() < 2) return;
  for (const YamlNode& issuer : issuers) {
    if (issuer.kind != YamlNode::Kind::map) continue;
    bool says = std::ranges::any_of(issuer.children, [](const YamlNode& key) { return key.key == "subject_prefix"; });
    if (says) continue;
    problems.add(issuer.at,
                 "one of several issuers has to say its `subject_prefix`; `\"\"` if its users are those of another");
  }
}

// Where one prefix begins another, the shorter one's issuer could name the longer one's users: `a:` before `b:alice` is
// `a:b:` before `alice`. Equal prefixes, and an empty one, say that the users are the same.
void check_prefixes(Problems& problems, std::span<const YamlNode> nodes, std::span<const Issuer> issuers) {
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    const std::string& prefix = issuers[i].subject_prefix;
    auto begins = [&](const Issuer& other) {
      const std::string& shorter = other.subject_prefix;
      return !shorter.empty() && shorter.size() < prefix.size() && prefix.starts_with(shorter);
    };
    auto found = std::ranges::find_if(issuers, begins);
    if (found == issuers.end()) continue;
    const YamlNode& node = *std::ranges::find(nodes[i].children, "subject_prefix", &YamlNode::key);
    problems.add(node.at, fmt::format("`{}` begins with `{}`, the prefix of `{}`, which could name these users",
                                      shown(prefix), shown(found->subject_prefix), shown(found->issuer)));
  }
}

// A name that HTTP gives no meaning, today or later: the field is removed before the service sees it, and what it says
// is compared with keys. New registered names do not begin with "X-" (RFC 6648).
bool can_carry_api_key(std::string_view name) {
  constexpr std::size_t kMaxHeaderBytes = 64;
  if (iequals(name, "X-API-Key") || iequals(name, "Api-Key") || iequals(name, "ApiKey")) return true;
  bool is_private = name.size() > 2 && iequals(name.substr(0, 2), "X-") && is_token(name);
  return is_private && name.size() <= kMaxHeaderBytes && http::classify_field(name) == http::FieldName::other;
}

void read_api_keys(Problems& problems, const YamlNode& node, ApiKeys& api_keys) {
  MapReader map(problems, node, kApiKeysKeys);
  auto header = map.text("header");
  if (!header) return;
  if (!can_carry_api_key(*header)) {
    problems.add(map.find("header")->at,
                 fmt::format("`{}` cannot carry an API key: a name of up to 64 bytes that begins with X- and means "
                             "nothing to the gateway, or Api-Key, or ApiKey",
                             shown(*header)));
    return;
  }
  api_keys.header = *std::move(header);
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
  set(service.memory_bytes, map.size("memory", kDirectoryBytes));
}

}  // namespace

void read_authentication(Problems& problems, const YamlNode& node, const std::filesystem::path& folder,
                         Config& config) {
  Authentication& authentication = config.authentication;
  MapReader map(problems, node, kAuthenticationKeys);
  set(authentication.clock_skew, map.whole_seconds("clock_skew", kClockSkew));
  set(authentication.token_cache_bytes, map.size("token_cache", kTokenCacheBytes));
  const YamlNode* api_keys = map.find("api_keys");
  if (api_keys != nullptr) read_api_keys(problems, *api_keys, authentication.api_keys);
  const YamlNode* issuers = api_keys != nullptr ? map.find("issuers") : map.require("issuers");
  if (issuers == nullptr) return;
  auto items = read_list(problems, *issuers, {.what = "a list of issuers", .most = kMaxIssuers});
  for (const YamlNode& item : items) authentication.issuers.push_back(read_issuer(problems, item, folder, config));
  check_subjects(problems, items);
  check_prefixes(problems, items, authentication.issuers);
}

void read_authorization(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, Config& config) {
  MapReader map(problems, node, kAuthorizationKeys);
  const YamlNode* roles = map.find("roles");
  if (roles != nullptr) read_role_permissions(problems, *roles, config.roles);
  const YamlNode* service = roles != nullptr ? map.find("user_management") : map.require("user_management");
  if (service != nullptr) read_user_management(problems, *service, folder, config.user_management.emplace());
}

}  // namespace lotagate::config
