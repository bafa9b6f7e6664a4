// Accounts for trying the platform out.
#pragma once

#include <string>

#include "users/operations.h"
#include "users/password.h"

namespace lotagate::users {

// If there are no accounts: one for each role, named as it, with random passwords that `path` (0600) then tells:
// [{"username","password","role"}]. Throws StartupError.
void seed_demo_accounts(const Operations& operations, PasswordHasher& hasher, const std::string& path);

}  // namespace lotagate::users
