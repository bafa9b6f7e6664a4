#include "users/permission.h"

#include <algorithm>

namespace lotagate::users {
namespace {

// With the bounds on roles and their permissions this keeps the access of anybody below the 64 KiB that a gateway
// reads.
constexpr std::size_t kMaxPartBytes = 32;

bool valid_part(std::string_view part) {
  auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
  return part == "*" || (!part.empty() && part.size() <= kMaxPartBytes && std::ranges::all_of(part, allowed));
}

struct Parts {
  std::string_view resource;
  std::string_view action;
};

// Of a text with a colon.
Parts parts_of(std::string_view permission) {
  auto colon = permission.find(':');
  return {permission.substr(0, colon), permission.substr(colon + 1)};
}

bool part_covers(std::string_view granted, std::string_view wanted) { return granted == "*" || granted == wanted; }

}  // namespace

bool valid_permission(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return false;
  auto [resource, action] = parts_of(text);
  return valid_part(resource) && valid_part(action);
}

bool covered(const std::vector<std::string>& granted, std::string_view wanted) {
  if (!valid_permission(wanted)) return false;
  Parts sought = parts_of(wanted);
  return std::ranges::any_of(granted, [&](std::string_view one) {
    Parts has = parts_of(one);
    return valid_permission(one) && part_covers(has.resource, sought.resource) &&
           part_covers(has.action, sought.action);
  });
}

}  // namespace lotagate::users
