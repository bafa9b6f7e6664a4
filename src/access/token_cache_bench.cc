#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "access/token_cache.h"

namespace lotagate::access {
namespace {

constexpr WallTime kNow{seconds(1000)};

std::vector<std::string> tokens(std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) {
    std::string token = "eyJhbGciOiJFUzI1NiJ9." + std::string(470, 'x') + '.' + std::to_string(i);
    out.push_back(std::move(token));
  }
  return out;
}

// Argument: tokens in turn. 1 stays in the nearest cache, 10,000 reach main memory.
void token_cache_hit(benchmark::State& state) {
  TokenCache cache(64 * 1024 * 1024);
  auto all = tokens(static_cast<std::size_t>(state.range(0)));
  const std::vector<std::uint64_t> versions{1};
  for (const auto& token : all) {
    cache.insert(token, PrincipalRef(Principal{.subject = "u-1", .issuer = "https://i", .expires = kNow + seconds(60)}),
                 1);
  }
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.find(all[next], kNow, versions));
    if (++next == all.size()) next = 0;
  }
  state.counters["hit_share"] = static_cast<double>(cache.counters().hits) / static_cast<double>(state.iterations());
}
BENCHMARK(token_cache_hit)->Arg(1)->Arg(100)->Arg(10000);

void token_cache_miss(benchmark::State& state) {
  TokenCache cache(64 * 1024 * 1024);
  auto all = tokens(1000);
  const std::vector<std::uint64_t> versions{1};
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.find(all[next], kNow, versions));
    if (++next == all.size()) next = 0;
  }
}
BENCHMARK(token_cache_miss);

}  // namespace
}  // namespace lotagate::access
