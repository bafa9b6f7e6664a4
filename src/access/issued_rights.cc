#include "access/issued_rights.h"

#include <algorithm>

#include "access/claims.h"
#include "access/identity_text.h"
#include "access/permission.h"

namespace lotagate::access {
namespace {

using Refusal = std::string_view;  // empty: none
constexpr std::size_t kMaxSessionBytes = 128;
constexpr std::size_t kMaxRoleBytes = 256;

// One text, or none when the claim is absent.
Refusal read_one(const ClaimSet& claims, std::string_view path, std::size_t max_bytes, Refusal reason,
                 std::string& out) {
  std::vector<std::string> texts;
  auto kind = path.empty() ? ClaimSet::Kind::absent : claims.read(path, ClaimSet::Scalars::strings, texts);
  if (kind == ClaimSet::Kind::absent) return {};
  bool fits = kind != ClaimSet::Kind::malformed && texts.size() == 1 && !texts[0].empty() &&
              texts[0].size() <= max_bytes && is_visible_ascii(texts[0]);
  if (!fits) return reason;
  out = std::move(texts[0]);
  return {};
}

bool is_list_claim(ClaimSet::Kind kind, const std::vector<std::string>& texts) {
  return kind != ClaimSet::Kind::malformed && texts.size() <= kMaxClaimEntries;
}

Refusal read_list(const ClaimSet& claims, std::string_view path, Refusal reason, std::vector<std::string>& out) {
  if (path.empty()) return {};
  auto kind = claims.read(path, ClaimSet::Scalars::strings, out);
  return is_list_claim(kind, out) ? Refusal{} : reason;
}

std::string join(const std::vector<std::string>& texts, char separator) {
  std::string joined;
  for (const auto& text : texts) {
    if (!joined.empty()) joined += separator;
    joined += text;
  }
  return joined;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// The words of a text (RFC 8693 4.2), or the elements of a list with one space between. An element that is no single
// word is no scope: its issuer does not mean its words.
Refusal read_scopes(const ClaimSet& claims, std::string_view path, std::string& scopes) {
  if (path.empty()) return {};
  std::vector<std::string> texts;
  auto kind = claims.read(path, ClaimSet::Scalars::strings, texts);
  if (!is_list_claim(kind, texts)) return "claim_scope_malformed";
  if (kind == ClaimSet::Kind::text) texts = words_of(std::string(texts[0]));
  std::erase_if(texts, [](const std::string& text) { return text.empty() || text.contains(' '); });
  scopes = join(texts, ' ');
  return {};
}

bool is_role(const std::string& role) {
  return !role.empty() && role.size() <= kMaxRoleBytes && is_visible_ascii(role) && role.find(',') == role.npos;
}

// The permissions of the claim, then those that the roles stand for.
std::string permissions_of(std::vector<std::string> claimed, const std::vector<std::string>& roles,
                           const std::vector<RolePermissions>& role_permissions) {
  std::erase_if(claimed, [](const std::string& text) { return !valid_permission(text); });
  for (const RolePermissions& entry : role_permissions) {
    if (std::ranges::find(roles, entry.role) == roles.end()) continue;
    claimed.insert(claimed.end(), entry.permissions.begin(), entry.permissions.end());
  }
  return join(claimed, ',');
}

// VCHAR and SP only, and no comma within an element of a list, be it the only one: nothing that a service could split
// elsewhere.
bool fits_field(const std::vector<std::string>& texts, bool is_list) {
  auto fits = [&](const std::string& text) {
    auto allowed = [](char c) { return c >= ' ' && c < '\x7F'; };
    bool edges = !text.empty() && text.front() != ' ' && text.back() != ' ';
    return edges && std::ranges::all_of(text, allowed) && (!is_list || text.find(',') == text.npos);
  };
  return !texts.empty() && std::ranges::all_of(texts, fits);
}

// A claim that is absent, no text, or unfit for a field is no reason to refuse the caller: the field stays away.
void add_header_lines(const ClaimSet& claims, const std::vector<ClaimHeader>& headers, Principal& principal) {
  for (const ClaimHeader& header : headers) {
    std::vector<std::string> texts;
    auto kind = claims.read(header.claim, ClaimSet::Scalars::any, texts);
    if (kind == ClaimSet::Kind::absent || kind == ClaimSet::Kind::malformed) continue;
    if (!fits_field(texts, kind == ClaimSet::Kind::list)) continue;
    std::string line = header.header + ": " + join(texts, ',') + "\r\n";
    if (principal.header_lines.size() + line.size() <= kMaxClaimHeaderBytes) principal.header_lines += line;
  }
}

}  // namespace

std::expected<void, std::string_view> read_rights(const ClaimSet& claims, const RightsClaims& names,
                                                  const std::vector<RolePermissions>& role_permissions,
                                                  Principal& principal) {
  std::vector<std::string> roles;
  std::vector<std::string> permissions;
  for (Refusal refusal : {read_one(claims, names.tenant, kMaxSubjectBytes, "claim_tenant_malformed", principal.tenant),
                          read_one(claims, "sid", kMaxSessionBytes, "claim_sid_malformed", principal.session),
                          read_list(claims, names.roles, "claim_roles_malformed", roles),
                          read_list(claims, names.permissions, "claim_permissions_malformed", permissions),
                          read_scopes(claims, names.scopes, principal.scopes)}) {
    if (!refusal.empty()) return std::unexpected(refusal);
  }
  std::erase_if(roles, [](const std::string& role) { return !is_role(role); });
  principal.permissions = permissions_of(std::move(permissions), roles, role_permissions);
  principal.roles = join(roles, ',');
  add_header_lines(claims, names.headers, principal);
  return {};
}

std::string read_limit_claim(const ClaimSet& claims, std::string_view path) {
  std::vector<std::string> texts;
  auto kind = claims.read(path, ClaimSet::Scalars::any, texts);
  if (kind != ClaimSet::Kind::text && kind != ClaimSet::Kind::list) return {};
  auto splits = [](const std::string& text) { return text.contains(kLimitClaimSeparator); };
  return std::ranges::any_of(texts, splits) ? std::string() : join(texts, kLimitClaimSeparator);
}

}  // namespace lotagate::access
