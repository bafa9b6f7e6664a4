#include "common/http.h"

#include "base/text.h"

namespace lotagate::services {

std::string_view Request::header(std::string_view name) const {
  for (const auto& [field, value] : headers) {
    if (iequals(field, name)) return value;
  }
  return {};
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Response json_response(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

}  // namespace lotagate::services
