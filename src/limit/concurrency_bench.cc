// Cost of taking a place and giving it back: of one key that all share, and of many.
#include "limit/concurrency.h"

#include <benchmark/benchmark.h>

#include <memory>

namespace lotagate::limit {
namespace {

std::unique_ptr<PlaceTable> g_table;
ConcurrencyLimit g_limit;

void prepare(const benchmark::State&) {
  g_table = std::make_unique<PlaceTable>();
  g_limit.set(1000, 100);
}

// Keys of the benchmark's argument, one after another.
void take_and_give_back(benchmark::State& state) {
  constexpr MonotonicTime kNow{std::chrono::hours(1)};
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t next = 0;
  for (auto _ : state) {
    auto answer = g_table->acquire({g_limit, next * 0x9E3779B97F4A7C15, kNow}, nullptr);
    g_table->release(answer.place, kNow);
    next = next + 1 == keys ? 0 : next + 1;
  }
}
BENCHMARK(take_and_give_back)->Setup(prepare)->Arg(1)->Arg(1000);
BENCHMARK(take_and_give_back)->Setup(prepare)->Arg(1)->Threads(2);

}  // namespace
}  // namespace lotagate::limit
