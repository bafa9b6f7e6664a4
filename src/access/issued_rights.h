// What an issuer's own claims say about its user beyond the registered ones: tenant, session, roles, permissions,
// scopes, and what services shall see of them.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "access/principal.h"

namespace lotagate::access {

class ClaimSet;

// Of each list that one token may bring along; a token with more is refused. Its bytes are bounded by the token's.
inline constexpr std::size_t kMaxClaimEntries = 256;
// Of the header lines of one token; a claim that does not fit any more is left out.
inline constexpr std::size_t kMaxClaimHeaderBytes = 4096;

struct ClaimHeader {
  std::string claim;   // a path, see ClaimSet::has
  std::string header;  // in the gateway's own namespace, so that clients cannot set it
  bool operator==(const ClaimHeader&) const = default;
};

// Paths of claims; an empty one is not read.
struct RightsClaims {
  std::string tenant{};
  std::string roles{};
  std::string permissions{};
  std::string scopes = "scope";
  std::vector<ClaimHeader> headers{};
  bool operator==(const RightsClaims&) const = default;
};

// What a role of a token stands for.
struct RolePermissions {
  std::string role;
  std::vector<std::string> permissions;
  bool operator==(const RolePermissions&) const = default;
};

// Fills tenant, session, roles, permissions, scopes and header lines of `principal`; a refusal is a static reason.
//  - Tenant and `sid` are visible ASCII.
//  - A role is visible ASCII without comma. Others are passed over: whoever splits the header field
//    would read them differently, and an issuer has roles for other systems, too.
//  - Permissions are those of the permissions claim and those that `role_permissions` lists for the token's roles. An
//    entry of the claim that is no permission is passed over likewise.
//  - Scopes are the words of a text (RFC 8693 4.2), or an array's elements.
std::expected<void, std::string_view> read_rights(const ClaimSet& claims, const RightsClaims& names,
                                                  const std::vector<RolePermissions>& role_permissions,
                                                  Principal& principal);

// Between elements of a claim for rate limits: no text that a case can be called, so that "gold,x" is not "gold".
inline constexpr char kLimitClaimSeparator = '\x1f';

// The claim at `path` for rate limits: a text, a number or a boolean as JSON writes it, the elements of a list with
// the separator between. Empty if it is absent, anything else, or holds the separator itself.
std::string read_limit_claim(const ClaimSet& claims, std::string_view path);

}  // namespace lotagate::access
