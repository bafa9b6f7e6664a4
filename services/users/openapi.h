// docs/users-api.yaml, in the program.
#pragma once

#include <string_view>

namespace lotagate::users {

// As it is written. The text is made by CMake from openapi_text.cc.in.
extern const std::string_view kOpenapiYaml;

}  // namespace lotagate::users
