#include "access/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "access/permission.h"
#include "access/principal.h"

namespace lotagate::access {
namespace {

using Texts = std::vector<std::string>;

// tchar of RFC 9110 5.6.2; "*" is one, and here it is the fallback.
bool valid_method(std::string_view method) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return !method.empty() && std::all_of(method.begin(), method.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kSymbols.find(c) != std::string_view::npos;
  });
}

std::expected<void, std::string> check_rule(const MethodRule& rule) {
  if (!valid_method(rule.method)) return std::unexpected(fmt::format("`{}` is not a method", rule.method));
  bool asks =
      !rule.all.empty() || !rule.any.empty() || !rule.roles.empty() || !rule.scopes.empty() || !rule.owner_or.empty();
  if (!asks) return std::unexpected(fmt::format("method `{}` requires nothing", rule.method));
  for (const Texts* permissions : {&rule.all, &rule.any, &rule.owner_or}) {
    for (const auto& permission : *permissions) {
      if (!valid_permission(permission)) {
        return std::unexpected(fmt::format("`{}` is not a permission like `models:read`", permission));
      }
    }
  }
  return {};
}

bool covers(const TextList& granted, std::string_view required) {
  for (std::string_view permission : granted) {
    if (permission == required || permission_covers(permission, required)) return true;
  }
  return false;
}

// One decision: the questions that rules are made of.
class Judge {
 public:
  explicit Judge(const Standing& standing) : standing_(standing) {}

  bool holds(std::string_view permission) const {
    return key_allows(permission) &&
           ((standing_.user != nullptr && covers(standing_.user->permissions, permission)) ||
            (standing_.token != nullptr && covers(TextList(standing_.token->permissions), permission)));
  }
  bool holds_all(const Texts& permissions) const {
    return std::ranges::all_of(permissions, [&](const auto& permission) { return holds(permission); });
  }
  bool holds_any(const Texts& permissions) const {
    return std::ranges::any_of(permissions, [&](const auto& permission) { return holds(permission); });
  }
  bool has_role(const Texts& roles) const {
    return key_allows("*:*") && std::ranges::any_of(roles, [&](const auto& role) {
             return (standing_.user != nullptr && standing_.user->roles.contains(role)) ||
                    (standing_.token != nullptr && TextList(standing_.token->roles).contains(role));
           });
  }
  bool has_scopes(const Texts& scopes) const {
    if (scopes.empty()) return true;
    if (standing_.token == nullptr) return false;
    TextList held(standing_.token->scopes, ' ');
    return std::ranges::all_of(scopes, [&](const auto& scope) { return held.contains(scope); });
  }
  // A key that may do what lifts the ownership may also do it to its owner's own.
  bool owns(const MethodRule* rule) const {
    if (standing_.path_subject.empty() || standing_.path_subject != standing_.subject) return false;
    bool named = rule != nullptr && !rule->owner_or.empty();
    if (!named) return key_allows("*:*");
    return std::ranges::all_of(rule->owner_or, [&](const auto& permission) { return key_allows(permission); });
  }

 private:
  bool key_allows(std::string_view permission) const {
    return !standing_.key_permissions || covers(*standing_.key_permissions, permission);
  }

  const Standing& standing_;
};

std::unexpected<Error> forbidden(std::string_view reason) {
  return fail(ErrorCode::forbidden, Origin::downstream, reason);
}

}  // namespace

const MethodRule* Requirement::find(std::string_view method) const {
  const MethodRule* fallback = nullptr;
  for (const auto& rule : methods) {
    if (rule.method == method) return &rule;
    if (rule.method == "*") fallback = &rule;
  }
  return fallback;
}

std::expected<Requirement, std::string> compile_requirement(std::span<const MethodRule> methods, bool owned) {
  Requirement requirement{.methods = {}, .owned = owned};
  for (const auto& rule : methods) {
    if (auto checked = check_rule(rule); !checked) return std::unexpected(checked.error());
    auto same = [&](const MethodRule& earlier) { return earlier.method == rule.method; };
    if (std::ranges::any_of(requirement.methods, same)) {
      return std::unexpected(fmt::format("method `{}` is named twice", rule.method));
    }
    requirement.methods.push_back(rule);
  }
  return requirement;
}

Result<void> check_api_key(const AccessGrant& key, WallTime now) {
  auto invalid = [](std::string_view reason) { return fail(ErrorCode::invalid_token, Origin::downstream, reason); };
  if (key.unknown) return invalid("api_key_unknown");
  if (key.disabled) return invalid("api_key_disabled");
  if (now >= key.expires) return invalid("api_key_expired");
  return {};
}

Result<void> check_standing(const Standing& standing) {
  if (standing.user == nullptr) return {};
  if (standing.user->unknown) return forbidden("unknown_user");
  if (standing.user->disabled) return forbidden("disabled_user");
  bool in_session = standing.token != nullptr && !standing.token->session.empty();
  if (in_session && standing.user->revoked_sessions.contains(standing.token->session)) {
    return fail(ErrorCode::invalid_token, Origin::downstream, "session_ended");
  }
  return {};
}

Result<void> authorize(const Requirement& requirement, std::string_view method, const Standing& standing) {
  if (requirement.empty()) return {};
  const MethodRule* rule = requirement.find(method);
  if (rule == nullptr && !requirement.methods.empty()) return forbidden("method_not_permitted");
  Judge judge(standing);
  if (requirement.owned && !judge.owns(rule)) {
    bool lifted = rule != nullptr && !rule->owner_or.empty() && judge.holds_all(rule->owner_or);
    if (!lifted) return forbidden("not_owner");
  }
  if (rule == nullptr) return {};
  if (!judge.holds_all(rule->all)) return forbidden("missing_permission");
  if (!rule->any.empty() && !judge.holds_any(rule->any)) return forbidden("missing_permission");
  if (!rule->roles.empty() && !judge.has_role(rule->roles)) return forbidden("missing_role");
  if (!judge.has_scopes(rule->scopes)) return forbidden("missing_scope");
  return {};
}

}  // namespace lotagate::access
