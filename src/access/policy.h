// Whether a user's permissions suffice for a method on a route. Denies by default.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lotagate::access {

struct AccessGrant;

// Permissions one method needs, all of them; the method "*" stands for every method without an entry of its own.
struct MethodPermissions {
  std::string method;
  std::vector<std::string> permissions;
};

// Compiled from a route's `require`; empty when the route has none.
struct Requirement {
  std::vector<MethodPermissions> methods;
  bool empty() const { return methods.empty(); }
  // The permissions that `method` needs; null: it is not among what is allowed.
  const std::vector<std::string>* find(std::string_view method) const;
};

// Error: what is wrong, for the configuration's message: a method that is no token or named twice, no permission at
// all, a permission that is not "resource:action".
std::expected<Requirement, std::string> compile_requirement(std::span<const MethodPermissions> methods);

// Error: forbidden, with the static reasons unknown_user, disabled_user and missing_permission. An empty requirement
// takes any known user that is not disabled; a method that a non-empty one does not name is denied.
Result<void> authorize(const Requirement& requirement, std::string_view method, const AccessGrant& grant);

}  // namespace lotagate::access
