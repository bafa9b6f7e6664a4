#include "access/permission.h"

#include <algorithm>

namespace lotagate::access {
namespace {

constexpr std::size_t kMaxPartBytes = 64;

bool valid_part(std::string_view part) {
  if (part == "*") return true;
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  };
  return !part.empty() && part.size() <= kMaxPartBytes && std::all_of(part.begin(), part.end(), allowed);
}

bool part_covers(std::string_view granted, std::string_view required) { return granted == "*" || granted == required; }

}  // namespace

bool valid_permission(std::string_view text) {
  auto colon = text.find(':');
  return colon != std::string_view::npos && valid_part(text.substr(0, colon)) && valid_part(text.substr(colon + 1));
}

bool permission_covers(std::string_view granted, std::string_view required) {
  auto granted_colon = granted.find(':');
  auto required_colon = required.find(':');
  if (granted_colon == std::string_view::npos || required_colon == std::string_view::npos) return false;
  return part_covers(granted.substr(0, granted_colon), required.substr(0, required_colon)) &&
         part_covers(granted.substr(granted_colon + 1), required.substr(required_colon + 1));
}

}  // namespace lotagate::access
