#include "users/inputs.h"

#include <algorithm>

#include "base/text.h"
#include "users/permission.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::Outcome;
using services::refuse;

constexpr std::size_t kMaxTenantIdBytes = 32;
constexpr std::size_t kMaxRoleNameBytes = 31;
constexpr std::size_t kMaxUsernameBytes = 64;
// Together they bound what a gateway is told about one account: 16 * 50 permissions of up to 65 bytes.
constexpr std::size_t kMaxRoles = 16;
constexpr std::size_t kMaxPermissions = 50;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

Outcome<std::optional<std::vector<std::string>>> read_words(const JsonBody& body, std::string_view name,
                                                            std::size_t max) {
  TRY(array, body.optional<simdjson::dom::array>(name));
  if (!array) return std::nullopt;
  if (array->size() > max) return refuse(422, "too_many", fmt::format("`{}` holds at most {}.", name, max));
  return services::read_strings(*array, name);
}

}  // namespace

Outcome<std::optional<std::string>> read_label(const JsonBody& body, std::string_view name, std::size_t max_bytes) {
  TRY(text, body.optional<std::string_view>(name));
  if (!text) return std::nullopt;
  bool has_control =
      std::ranges::any_of(*text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; });
  if (text->size() > max_bytes || has_control) {
    return refuse(422, "invalid_text", fmt::format("`{}` has at most {} bytes and no controls.", name, max_bytes));
  }
  return std::string(*text);
}

Outcome<std::optional<std::string>> read_choice(const JsonBody& body, std::string_view name,
                                                std::initializer_list<std::string_view> choices) {
  TRY(text, body.optional<std::string_view>(name));
  if (!text) return std::nullopt;
  if (std::ranges::find(choices, *text) != choices.end()) return std::string(*text);
  return refuse(422, "invalid_choice", fmt::format("`{}` is one of {}.", name, fmt::join(choices, ", ")));
}

Outcome<std::string> tenant_id(std::string_view text) {
  auto allowed = [](char c) { return is_lower_or_digit(c) || c == '-'; };
  bool sound =
      !text.empty() && text.size() <= kMaxTenantIdBytes && std::ranges::all_of(text, allowed) && text[0] != '-';
  if (sound) return std::string(text);
  return refuse(
      422, "invalid_tenant_id",
      fmt::format("A tenant's id has 1 to {} of a-z, 0-9 and -, and does not begin with -.", kMaxTenantIdBytes));
}

Outcome<std::string> role_name(std::string_view text) {
  auto allowed = [](char c) { return is_lower_or_digit(c) || c == '_' || c == '-'; };
  if (!text.empty() && text.size() <= kMaxRoleNameBytes && std::ranges::all_of(text, allowed)) return std::string(text);
  return refuse(422, "invalid_role_name",
                fmt::format("A role's name has 1 to {} of a-z, 0-9, _ and -.", kMaxRoleNameBytes));
}

Outcome<std::string> valid_username(std::string_view text) {
  auto allowed = [](char c) {
    return is_lower_or_digit(ascii_lower(c)) || c == '.' || c == '_' || c == '-' || c == '@';
  };
  if (!text.empty() && text.size() <= kMaxUsernameBytes && std::ranges::all_of(text, allowed)) return std::string(text);
  return refuse(422, "invalid_username",
                fmt::format("A username has 1 to {} letters, digits and . _ - @.", kMaxUsernameBytes));
}

Outcome<std::optional<std::vector<std::string>>> read_permissions(const JsonBody& body) {
  TRY(words, read_words(body, "permissions", kMaxPermissions));
  if (words && !std::ranges::all_of(*words, valid_permission)) {
    return refuse(422, "invalid_permission",
                  "A permission is `resource:action`, each 1 to 32 of a-z, 0-9, _ and -, or * for any.");
  }
  return words;
}

Outcome<std::optional<std::vector<std::string>>> read_role_names(const JsonBody& body) {
  return read_words(body, "roles", kMaxRoles);
}

}  // namespace lotagate::users
