#include "common/identity.h"

#include <algorithm>

#include "base/text.h"

namespace lotagate::services {

bool Caller::has_role(std::string_view role) const { return std::ranges::find(roles, role) != roles.end(); }

Caller caller_of(const Request& request) {
  Caller caller{.subject = std::string(request.header("X-Auth-Subject")),
                .tenant = std::string(request.header("X-Auth-Tenant")),
                .roles = {},
                .key_id = std::string(request.header("X-Auth-Key-Id"))};
  for_each_list_item(request.header("X-Auth-Roles"), [&](std::string_view role) {
    if (!role.empty()) caller.roles.emplace_back(role);
  });
  return caller;
}

}  // namespace lotagate::services
