// Whether a caller may do what it asks for. Denies by default.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/access_grant.h"
#include "base/clock.h"
#include "base/result.h"

namespace lotagate::access {

struct Principal;

// What one method needs; the method "*" stands for every method without a rule of its own. Every part that is not empty
// must be met.
struct MethodRule {
  std::string method;
  std::vector<std::string> all{};     // permissions, each of them
  std::vector<std::string> any{};     // permissions, at least one of them
  std::vector<std::string> roles{};   // at least one of them
  std::vector<std::string> scopes{};  // of the token, each of them
  // Permissions that together let a caller act on what is not its own; empty: nobody may.
  std::vector<std::string> owner_or{};
};

// Compiled from a route's `require` and path.
struct Requirement {
  std::vector<MethodRule> methods{};  // empty: any caller
  bool owned = false;                 // the path names a {subject}, who must be the caller
  bool empty() const { return methods.empty() && !owned; }
  // The rule for `method`; null: it is not among what is allowed.
  const MethodRule* find(std::string_view method) const;
};

// Error: what is wrong, for the configuration's message: a method that is no token or named twice, a rule that asks
// for nothing, a permission that is not "resource:action".
std::expected<Requirement, std::string> compile_requirement(std::span<const MethodRule> methods, bool owned);

// Whom a decision is about, and everything it may rest on. Views.
struct Standing {
  std::string_view subject;
  std::string_view path_subject = {};         // what stands for {subject} in the path, decoded
  const Principal* token = nullptr;           // null: came with an API key
  const AccessGrant* user = nullptr;          // null: the User Management Service does not know this issuer's users
  std::optional<TextList> key_permissions{};  // of the API key that was shown
};

// Whether an API key opens anything now. Errors: invalid_token with the static reasons api_key_unknown,
// api_key_disabled and api_key_expired.
Result<void> check_api_key(const AccessGrant& key, WallTime now);

// Whether the caller is somebody at all. Errors, with static reasons: forbidden (unknown_user, disabled_user),
// invalid_token (session_ended).
Result<void> check_standing(const Standing& standing);

// Error: forbidden, with the static reasons method_not_permitted, missing_permission, missing_role, missing_scope and
// not_owner. A permission counts if the User Management Service or the token gives it; with an API key only if the key
// has it as well. Where a rule is met by something other than a permission (a role, owning), an API key must hold
// "*:*": what it may do is said in permissions alone. It has no scopes.
Result<void> authorize(const Requirement& requirement, std::string_view method, const Standing& standing);

}  // namespace lotagate::access
