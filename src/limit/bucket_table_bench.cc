// Cost of one take: of one hot key, of keys all over a 16 MiB table (a cache miss each), and of a flood of new keys.
#include "limit/bucket_table.h"

#include <benchmark/benchmark.h>

#include <memory>

namespace lotagate::limit {
namespace {

constexpr std::size_t kTableBytes = 16 * 1024 * 1024;

std::uint64_t mixed(std::uint64_t n) {
  n = (n + 1) * 0x9E3779B97F4A7C15;
  return n ^ (n >> 29);
}

std::unique_ptr<BucketTable> g_table;

void prepare(const benchmark::State&) { g_table = std::make_unique<BucketTable>(kTableBytes); }

// Keys of the benchmark's argument, one after another; the clock moves on by 1 microsecond per take.
void take_known_keys(benchmark::State& state) {
  const BucketPolicy policy = make_bucket_policy(100, 50).value();
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  MonotonicTime now{std::chrono::hours(1)};
  for (std::uint64_t key = 0; key < keys; ++key) g_table->take(mixed(key), policy, now);
  std::uint64_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(g_table->take(mixed(next), policy, now));
    next = next + 1 == keys ? 0 : next + 1;
    now += nanoseconds(1000);
  }
}
BENCHMARK(take_known_keys)->Setup(prepare)->Arg(1)->Arg(1000)->Arg(300000);
// One hot key by several threads: the CPU time of a take may grow, what all of them get done must not shrink.
BENCHMARK(take_known_keys)->Setup(prepare)->Arg(1)->ThreadRange(2, 8)->UseRealTime();

void take_new_keys(benchmark::State& state) {
  const BucketPolicy policy = make_bucket_policy(100, 50).value();
  MonotonicTime now{std::chrono::hours(1)};
  std::uint64_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(g_table->take(mixed(++next), policy, now));
    now += nanoseconds(1000);
  }
}
BENCHMARK(take_new_keys)->Setup(prepare);

}  // namespace
}  // namespace lotagate::limit
