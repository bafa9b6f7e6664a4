#include "users/password_rules.h"

#include <fmt/format.h>

#include "base/text.h"

namespace lotagate::users {
namespace {

constexpr std::size_t kMinPasswordBytes = 12;
constexpr std::size_t kMaxPasswordBytes = 1024;

}  // namespace

services::Outcome<void> check_new_password(std::string_view password, std::string_view username) {
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes) {
    return services::refuse(422, "invalid_password",
                            fmt::format("A password has {} to {} bytes.", kMinPasswordBytes, kMaxPasswordBytes));
  }
  if (iequals(password, username)) {
    return services::refuse(422, "invalid_password", "The username is no password.");
  }
  return {};
}

services::Outcome<void> bound_password(std::string_view password) {
  if (password.size() <= kMaxPasswordBytes) return {};
  return services::refuse(400, "password_too_long", "The password is too long.");
}

}  // namespace lotagate::users
