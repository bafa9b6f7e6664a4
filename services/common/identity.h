// Who is calling, as the gateway says.
#pragma once

#include <string>
#include <vector>

#include "common/http.h"

namespace lotagate::services {

// The gateway has authenticated the caller and replaced these headers; nobody else can reach a service.
struct Caller {
  std::string subject;             // X-Auth-Subject; empty: the call did not pass the gateway
  std::string tenant;              // X-Auth-Tenant
  std::vector<std::string> roles;  // X-Auth-Roles, comma separated
  std::string key_id;              // X-Auth-Key-Id: the API key that the call came with, if it came with one

  bool has_role(std::string_view role) const;
};

Caller caller_of(const Request& request);

}  // namespace lotagate::services
