#include "common/http_revision.h"

#include <fmt/format.h>

#include "base/text.h"

namespace lotagate::services {

Outcome<void> match_revision(const Request& request, std::int64_t revision) {
  bool asked = false;
  bool matched = false;
  std::string current = fmt::format("\"{}\"", revision);
  for (const auto& [name, value] : request.headers) {
    if (!iequals(name, "If-Match")) continue;
    asked = true;
    // No tag of ours has a comma; a weak one never matches (RFC 9110 8.8.3.2).
    for_each_list_item(value, [&](std::string_view tag) { matched = matched || tag == "*" || tag == current; });
  }
  if (!asked || matched) return {};
  return refuse(412, "revision_changed", "It was changed since it was read; read it again.");
}

Response with_revision(Response response, std::int64_t revision) {
  response.headers.emplace_back("ETag", fmt::format("\"{}\"", revision));
  return response;
}

}  // namespace lotagate::services
