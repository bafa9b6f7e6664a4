#include "common/router.h"

#include <optional>

#include "common/problem.h"

namespace lotagate::services {
namespace {

std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  auto segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

std::optional<std::vector<std::string_view>> match(std::string_view pattern, std::string_view path) {
  std::vector<std::string_view> captures;
  while (pattern.starts_with('/') && path.starts_with('/')) {
    auto wanted = take_segment(pattern);
    auto segment = take_segment(path);
    if (wanted == "{}" && !segment.empty()) {
      captures.push_back(segment);
    } else if (wanted != segment) {
      return std::nullopt;
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return captures;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  routes_.push_back({std::string(method), std::string(pattern), std::move(handler)});
}

std::vector<std::string> Router::routes() const {
  std::vector<std::string> lines;
  for (const Route& route : routes_) lines.push_back(route.method + " " + route.pattern);
  return lines;
}

Response Router::answer(Request& request) const {
  if (guard_) {
    if (auto refusal = guard_(request)) return std::move(*refusal);
  }
  std::string_view method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  for (const auto& route : routes_) {
    auto captures = match(route.pattern, request.path);
    if (!captures) continue;
    if (route.method == method) {
      request.captures = std::move(*captures);
      return route.handler(request);
    }
    if (!allowed.empty()) allowed += ", ";
    allowed += route.method;
  }
  if (allowed.empty()) return problem_response({404, "not_found", "There is nothing at this path."});
  Response response = problem_response({405, "method_not_allowed", "This path does not take this method."});
  response.headers.emplace_back("Allow", std::move(allowed));
  return response;
}

}  // namespace lotagate::services
