// Changes that concern many accounts at once, told to the gateways.
#pragma once

#include <string_view>

#include "users/operations.h"

namespace lotagate::users {

// Appends everybody of the tenant to the change feed; one entry for all the world if they are many.
void tell_members(Call& call, std::string_view tenant);
// The same for everybody who has the role.
void tell_holders(Call& call, std::string_view role);

}  // namespace lotagate::users
