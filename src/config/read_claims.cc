// What is read of an issuer's tokens beyond the registered claims, and what the roles in them stand for.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "access/claims.h"
#include "access/permission.h"
#include "base/text.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/values.h"

namespace lotagate::config {
namespace {

constexpr std::size_t kMaxClaims = 32;
constexpr std::size_t kMaxClaimBytes = 256;
constexpr std::size_t kMaxRoles = 256;
constexpr std::size_t kMaxPermissions = 256;
constexpr std::size_t kMaxPrefixBytes = access::kMaxSubjectPrefixBytes;
constexpr std::size_t kMaxTypeBytes = 64;
// Names that clients cannot set, because the gateway removes them from every request.
constexpr std::array<std::string_view, 3> kHeaderPrefixes{"X-Auth-", "X-User-", "X-Consumer-"};
// What the gateway itself says there.
constexpr std::array<std::string_view, 4> kTakenHeaders{"X-Auth-Subject", "X-Auth-Tenant", "X-Auth-Roles",
                                                        "X-Auth-Key-Id"};

bool is_claim(std::string_view text) {
  return !text.empty() && text.size() <= kMaxClaimBytes && is_printable(text) && !text.contains(' ');
}

void add_claim_problem(Problems& problems, std::string_view text, Position at) {
  problems.add(at, fmt::format("`{}` is not a claim: the name of a member, or names joined by dots", shown(text)));
}

void read_header(Problems& problems, const YamlNode& item, std::vector<access::ClaimHeader>& headers) {
  if (!is_claim(item.key)) return add_claim_problem(problems, item.key, item.key_at);
  auto name = read_scalar(problems, item, "a header's name");
  if (!name) return;
  auto begins_with = [&](std::string_view prefix) {
    return name->size() > prefix.size() && iequals(name->substr(0, prefix.size()), prefix);
  };
  auto same = [&](const access::ClaimHeader& header) { return iequals(header.header, *name); };
  if (!is_token(*name) || name->size() > kMaxClaimBytes || std::ranges::none_of(kHeaderPrefixes, begins_with)) {
    problems.add(item.at, fmt::format("`{}` cannot carry a claim: its name has to begin with X-Auth-, X-User- or "
                                      "X-Consumer-, which clients cannot set",
                                      shown(*name)));
  } else if (std::ranges::any_of(kTakenHeaders, [&](std::string_view taken) { return iequals(taken, *name); })) {
    problems.add(item.at, fmt::format("`{}` is set by the gateway itself", shown(*name)));
  } else if (std::ranges::any_of(headers, same)) {
    problems.add(item.at, fmt::format("the header `{}` is given twice", shown(*name)));
  } else {
    headers.push_back({item.key, std::string(*name)});
  }
}

void read_headers(Problems& problems, const YamlNode& node, std::vector<access::ClaimHeader>& headers) {
  if (node.kind != YamlNode::Kind::map || node.children.empty() || node.children.size() > kMaxClaims) {
    problems.add(node.at, fmt::format("expected a map of 1 to {} claims and header names, found {}", kMaxClaims,
                                      describe(node)));
    return;
  }
  for (const YamlNode& item : node.children) read_header(problems, item, headers);
}

// Text of at most `most` bytes that may stand at the beginning of an identity.
bool fits_identity(std::string_view text, std::size_t most) {
  return text.size() <= most && is_printable(text) && !text.contains(' ');
}

// Here an empty text is a statement.
void read_subject_prefix(Problems& problems, const YamlNode& node, Issuer& issuer) {
  bool empty = node.kind == YamlNode::Kind::scalar && node.text.empty();
  auto prefix = empty ? std::string_view() : read_scalar(problems, node, "a text");
  if (prefix && !fits_identity(*prefix, kMaxPrefixBytes)) {
    problems.add(node.at, fmt::format("`{}` cannot begin a subject: at most {} bytes of visible ASCII", shown(*prefix),
                                      kMaxPrefixBytes));
  }
  issuer.subject_prefix = prefix.value_or("");
}

}  // namespace

std::optional<std::string> read_claim(MapReader& map, std::string_view key) {
  auto text = map.text(key);
  if (!text || is_claim(*text)) return text;
  add_claim_problem(map.problems(), *text, map.find(key)->at);
  return std::nullopt;
}

void read_claims(Problems& problems, MapReader& map, Issuer& issuer) {
  if (auto type = map.text("typ")) {
    // As the token's own is compared (RFC 7515 4.1.9).
    constexpr std::string_view kPrefix = "application/";
    std::string_view name = *type;
    if (iequals(name.substr(0, kPrefix.size()), kPrefix)) name.remove_prefix(kPrefix.size());
    if (name.empty() || !fits_identity(name, kMaxTypeBytes)) {
      problems.add(map.find("typ")->at, fmt::format("`{}` is not a token type, such as `at+jwt`", shown(*type)));
    } else {
      issuer.type = name;
    }
  }
  if (const YamlNode* required = map.find("required_claims")) {
    for (const YamlNode* item : read_texts(problems, *required, {.what = "a list of claims", .most = kMaxClaims})) {
      if (is_claim(item->text)) {
        issuer.required_claims.push_back(item->text);
      } else {
        add_claim_problem(problems, item->text, item->at);
      }
    }
  }
  if (const YamlNode* prefix = map.find("subject_prefix")) read_subject_prefix(problems, *prefix, issuer);
  set(issuer.rights.tenant, read_claim(map, "tenant_claim"));
  set(issuer.rights.roles, read_claim(map, "roles_claim"));
  set(issuer.rights.permissions, read_claim(map, "permissions_claim"));
  set(issuer.rights.scopes, read_claim(map, "scopes_claim"));
  if (const YamlNode* headers = map.find("claims_to_headers")) read_headers(problems, *headers, issuer.rights.headers);
}

void read_role_permissions(Problems& problems, const YamlNode& node, std::vector<access::RolePermissions>& roles) {
  for (const YamlNode& item : read_named(problems, node, {.what = "a map of roles", .most = kMaxRoles})) {
    access::RolePermissions& role = roles.emplace_back(access::RolePermissions{item.key, {}});
    for (const YamlNode* text :
         read_texts(problems, item, {.what = "a list of permissions", .most = kMaxPermissions})) {
      if (access::valid_permission(text->text)) {
        role.permissions.push_back(text->text);
      } else {
        problems.add(text->at, fmt::format("`{}` is not a permission, such as `models:read`", shown(text->text)));
      }
    }
  }
}

}  // namespace lotagate::config
