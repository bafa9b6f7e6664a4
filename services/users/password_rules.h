// What a new password must be.
#pragma once

#include <string_view>

#include "common/problem.h"

namespace lotagate::users {

// 12 to 1024 bytes, and not the username: length is what counts (NIST SP 800-63B), and hashing it has a bound. 422.
services::Outcome<void> check_new_password(std::string_view password, std::string_view username);

// More than any password has; 400. Before anything is done with what a client sent.
services::Outcome<void> bound_password(std::string_view password);

}  // namespace lotagate::users
