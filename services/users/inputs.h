// What clients may call things: the checks that several operations share. 422 unless stated.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json_reader.h"

namespace lotagate::users {

// The member `name` as a text for people: up to `max_bytes`, without control characters.
services::Outcome<std::optional<std::string>> read_label(const services::JsonBody& body, std::string_view name,
                                                         std::size_t max_bytes);

// The member `name` as one of `choices`.
services::Outcome<std::optional<std::string>> read_choice(const services::JsonBody& body, std::string_view name,
                                                          std::initializer_list<std::string_view> choices);

// 1 to 32 of a-z 0-9 -, beginning with a letter or digit.
services::Outcome<std::string> tenant_id(std::string_view text);

// 1 to 31 of a-z 0-9 _ -: with its tenant and a slash it fits the 64 bytes that a gateway takes for a role.
services::Outcome<std::string> role_name(std::string_view text);

// 1 to 64 letters, digits and . _ - @.
services::Outcome<std::string> valid_username(std::string_view text);

// The member `permissions`: at most 50, each `resource:action`.
services::Outcome<std::optional<std::vector<std::string>>> read_permissions(const services::JsonBody& body);

// The member `roles`: at most 16 names.
services::Outcome<std::optional<std::vector<std::string>>> read_role_names(const services::JsonBody& body);

}  // namespace lotagate::users
