#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include "config/sections.h"
#include "config/text_check.h"
#include "route/route_table.h"

namespace lotagate::config {
namespace {

// Names label metrics and log lines, so two routes never share one.
void name_routes(Problems& problems, std::vector<Route>& routes, const std::vector<RouteOrigin>& origins) {
  std::map<std::string, Position> given;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto& name_at = origins[i].name_at;
    if (!name_at) continue;
    auto [first, is_new] = given.emplace(routes[i].name, *name_at);
    if (!is_new) {
      problems.add(*name_at, fmt::format("another route at {}:{} has the name `{}`", first->second.line,
                                         first->second.column, shown(routes[i].name)));
    }
  }
  std::map<std::string, std::size_t> uses;  // of a path as a name
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (origins[i].name_at) continue;
    std::size_t& count = uses[routes[i].path];
    do {
      ++count;
      routes[i].name = count == 1 ? routes[i].path : fmt::format("{} ({})", routes[i].path, count);
    } while (!given.emplace(routes[i].name, origins[i].at).second);
  }
}

// What a request can be told by, but for its method.
using Conditions = std::tuple<std::string, std::string, std::vector<std::pair<std::string, std::string>>>;

Conditions conditions_of(const Route& route) {
  auto headers = route.headers;
  std::ranges::sort(headers);
  return {route.path, route.host, std::move(headers)};
}

void report_indistinguishable(Problems& problems, const std::vector<Route>& routes,
                              const std::vector<RouteOrigin>& origins) {
  // The first route of each set of conditions and method; "*" is a route without methods, which only another one of
  // that kind equals: a route that names its methods goes first.
  std::map<std::pair<Conditions, std::string>, Position> first_with;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].path.empty()) continue;  // wrong, and reported
    std::vector<std::string> methods = routes[i].methods;
    if (methods.empty()) methods.push_back("*");
    for (const std::string& method : methods) {
      auto [first, is_new] = first_with.emplace(std::pair(conditions_of(routes[i]), method), origins[i].at);
      if (is_new) continue;
      problems.add(
          origins[i].at,
          fmt::format("never matches: the route at {}:{} has the same path, host and headers and also takes {}",
                      first->second.line, first->second.column, method == "*" ? "every method" : method));
    }
  }
}

// The beginnings of `path` that end before a segment, from "" on: of "/a/b" these are "" and "/a".
template <typename Each>
void for_each_beginning(std::string_view path, Each each) {
  if (path == "/") return;
  for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) each(path.substr(0, slash));
}

// A match follows each place of a {subject} along a path, so they are bounded (route::RouteTable).
void report_subject_places(Problems& problems, const std::vector<Route>& routes,
                           const std::vector<RouteOrigin>& origins) {
  std::set<std::string_view> before_subject;
  for (const Route& route : routes) {
    auto segment = route.path.find(route::kSubjectSegment);
    if (segment != route.path.npos) before_subject.insert(std::string_view(route.path).substr(0, segment - 1));
  }
  if (before_subject.size() <= route::RouteTable::kMaxSubjectPlaces) return;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    std::size_t places = 0;
    for_each_beginning(routes[i].path, [&](std::string_view begin) { places += before_subject.count(begin); });
    if (places <= route::RouteTable::kMaxSubjectPlaces) continue;
    problems.add(origins[i].at,
                 fmt::format("`{{subject}}` stands behind {} beginnings of this path, over all routes; at most {} can",
                             places, route::RouteTable::kMaxSubjectPlaces));
  }
}

}  // namespace

void check_routes(Problems& problems, std::vector<Route>& routes, const std::vector<RouteOrigin>& origins) {
  name_routes(problems, routes, origins);
  report_indistinguishable(problems, routes, origins);
  report_subject_places(problems, routes, origins);
}

}  // namespace lotagate::config
