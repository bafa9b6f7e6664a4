#include "common/http_query.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/result.h"
#include "base/text.h"

namespace lotagate::services {
namespace {

constexpr std::size_t kMaxIdBytes = 256;
constexpr std::int64_t kDefaultPage = 100;
constexpr std::int64_t kMaxPage = 1000;

}  // namespace

Outcome<void> only_parameters(const Request& request, std::initializer_list<std::string_view> names) {
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(names, name) == names.end()) {
      return refuse(400, "unknown_parameter", "The query has a parameter that is not known here.");
    }
    if (std::ranges::find(seen, name) != seen.end()) {
      return refuse(400, "duplicate_parameter", fmt::format("`{}` is given twice.", name));
    }
    seen.push_back(name);
  }
  return {};
}

Outcome<Page> page_of(const Request& request) {
  TRY(limit, number_parameter(request, "limit"));
  Page page{.after = std::string(request.parameter("after").value_or("")), .limit = limit.value_or(kDefaultPage)};
  if (page.limit < 1 || page.limit > kMaxPage) {
    return refuse(400, "invalid_parameter", fmt::format("`limit` is a number from 1 to {}.", kMaxPage));
  }
  if (!page.after.empty() && !is_id(page.after)) {
    return refuse(400, "invalid_parameter", "`after` is the `next` of an earlier page.");
  }
  return page;
}

Outcome<std::optional<std::int64_t>> number_parameter(const Request& request, std::string_view name) {
  auto text = request.parameter(name);
  if (!text) return std::nullopt;
  auto number = parse_decimal(*text);
  if (number && *number <= INT64_MAX) return static_cast<std::int64_t>(*number);
  return refuse(400, "invalid_parameter", fmt::format("`{}` is a whole number.", name));
}

bool is_id(std::string_view text) {
  auto allowed = [](char c) {
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '@';
  };
  return !text.empty() && text.size() <= kMaxIdBytes && std::ranges::all_of(text, allowed);
}

}  // namespace lotagate::services
