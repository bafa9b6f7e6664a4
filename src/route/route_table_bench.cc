#include "route/route_table.h"

#include <benchmark/benchmark.h>

#include <array>

namespace lotagate::route {
namespace {

RouteTable table_of(std::size_t routes) {
  std::vector<RouteSpec> specs;
  for (std::size_t i = 0; i < routes; ++i) {
    specs.push_back({.path = "/api/v1/resource-" + std::to_string(i), .host = "", .methods = {}, .headers = {}});
    if (i % 4 == 0) specs.back().methods = {"GET", "POST"};
  }
  return RouteTable(specs);
}

void match_path(benchmark::State& state, std::string_view path) {
  RouteTable table = table_of(static_cast<std::size_t>(state.range(0)));
  auto no_headers = [](std::string_view) -> std::optional<std::string_view> { return std::nullopt; };
  for (auto _ : state) {
    benchmark::DoNotOptimize(path);
    RouteMatch found = table.match({.host = "gateway.example", .path = path, .method = "GET"}, no_headers);
    benchmark::DoNotOptimize(found);
  }
}

void BM_collection(benchmark::State& state) { match_path(state, "/api/v1/resource-8"); }
void BM_item(benchmark::State& state) { match_path(state, "/api/v1/resource-8/0f8fad5b-d9cb-469f-a165-70867728950e"); }
void BM_parameters(benchmark::State& state) { match_path(state, "/api;a=b/v1;c=d/resource-8;e=f/x"); }
void BM_not_found(benchmark::State& state) { match_path(state, "/api/v1/resource-none/x"); }

BENCHMARK(BM_collection)->Arg(10)->Arg(100)->Arg(10000);
BENCHMARK(BM_item)->Arg(100);
BENCHMARK(BM_parameters)->Arg(100);
BENCHMARK(BM_not_found)->Arg(100);

// Every route in turn, so that neither the branch predictor nor the cache knows the answer.
void BM_every_route(benchmark::State& state) {
  auto routes = static_cast<std::size_t>(state.range(0));
  RouteTable table = table_of(routes);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < 1024; ++i) paths.push_back("/api/v1/resource-" + std::to_string(i * 37 % routes) + "/7");
  auto no_headers = [](std::string_view) -> std::optional<std::string_view> { return std::nullopt; };
  std::size_t at = 0;
  for (auto _ : state) {
    RouteMatch found = table.match({.host = "h", .path = paths[++at & 1023], .method = "GET"}, no_headers);
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(BM_every_route)->Arg(100)->Arg(10000);

}  // namespace
}  // namespace lotagate::route
