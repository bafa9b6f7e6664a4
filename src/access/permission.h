// Permissions: "resource:action", where "*" stands for a whole part.
#pragma once

#include <string_view>

namespace lotagate::access {

// Two parts around one colon, each "*" or 1 to 64 of A-Z a-z 0-9 '_' '-' '.'.
bool valid_permission(std::string_view text);

// Whether holding `granted` satisfies `required`, both valid. Only the granted side's "*" is a wildcard: who must hold
// "models:*" does not pass with "models:read".
bool permission_covers(std::string_view granted, std::string_view required);

}  // namespace lotagate::access
