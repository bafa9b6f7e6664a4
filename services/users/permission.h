// Permissions as the gateway reads them: `resource:action`, where `*` stands for a whole part.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lotagate::users {

// Two parts around one colon, each `*` or 1 to 32 of a-z 0-9 _ -.
bool valid_permission(std::string_view text);

// Whether who holds all of `granted` holds `wanted`. Only the granted side's `*` is a wildcard: `models:*` is not
// covered by `models:read`, nor by both `models:read` and `models:write`.
bool covered(const std::vector<std::string>& granted, std::string_view wanted);

}  // namespace lotagate::users
