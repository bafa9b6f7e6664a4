#include "access/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "access/access_grant.h"
#include "access/permission.h"

namespace lotagate::access {
namespace {

// tchar of RFC 9110 5.6.2; "*" is one, and here it is the fallback.
bool valid_method(std::string_view method) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return !method.empty() && std::all_of(method.begin(), method.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kSymbols.find(c) != std::string_view::npos;
  });
}

bool holds(const AccessGrant& grant, std::string_view required) {
  return std::any_of(grant.permissions.begin(), grant.permissions.end(), [&](std::string_view granted) {
    return granted == required || permission_covers(granted, required);
  });
}

}  // namespace

const std::vector<std::string>* Requirement::find(std::string_view method) const {
  const std::vector<std::string>* fallback = nullptr;
  for (const auto& entry : methods) {
    if (entry.method == method) return &entry.permissions;
    if (entry.method == "*") fallback = &entry.permissions;
  }
  return fallback;
}

std::expected<Requirement, std::string> compile_requirement(std::span<const MethodPermissions> methods) {
  Requirement requirement;
  for (const auto& entry : methods) {
    if (!valid_method(entry.method)) return std::unexpected(fmt::format("`{}` is not a method", entry.method));
    auto same = [&](const MethodPermissions& earlier) { return earlier.method == entry.method; };
    if (std::any_of(requirement.methods.begin(), requirement.methods.end(), same)) {
      return std::unexpected(fmt::format("method `{}` is named twice", entry.method));
    }
    if (entry.permissions.empty()) return std::unexpected(fmt::format("method `{}` has no permission", entry.method));
    for (const auto& permission : entry.permissions) {
      if (!valid_permission(permission)) {
        return std::unexpected(fmt::format("`{}` is not a permission like `models:read`", permission));
      }
    }
    requirement.methods.push_back(entry);
  }
  return requirement;
}

Result<void> authorize(const Requirement& requirement, std::string_view method, const AccessGrant& grant) {
  auto forbidden = [](std::string_view reason) { return fail(ErrorCode::forbidden, Origin::downstream, reason); };
  if (grant.unknown) return forbidden("unknown_user");
  if (grant.disabled) return forbidden("disabled_user");
  if (requirement.empty()) return {};
  const auto* needed = requirement.find(method);
  if (needed == nullptr) return forbidden("missing_permission");
  for (const auto& permission : *needed) {
    if (!holds(grant, permission)) return forbidden("missing_permission");
  }
  return {};
}

}  // namespace lotagate::access
