// Cost of one take from leased buckets, without a store: of one hot key, of keys all over the table, of new keys.
#include "limit/lease_table.h"

#include <benchmark/benchmark.h>

#include <memory>

#include "limit/lease.h"

namespace lotagate::limit {
namespace {

constexpr std::size_t kTableBytes = std::size_t{64} << 20;
constexpr LeaseView kView{.up = true, .gateways = 4, .connection = 1, .life_ns = 1'200'000'000};

std::uint64_t mixed(std::uint64_t n) {
  n = (n + 1) * 0x9E3779B97F4A7C15;
  return n ^ (n >> 29);
}

std::unique_ptr<LeaseTable> g_table;
const SharedPolicy g_policy{.name = "bench", .bucket = make_bucket_policy(1'000'000, 1000).value()};

void prepare(const benchmark::State&) { g_table = std::make_unique<LeaseTable>(kTableBytes); }

bool take(std::uint64_t key, std::uint64_t now_ns) {
  LeaseTable::Locked found = g_table->find_or_enter(key, kView, now_ns);
  if (found.lease == nullptr) return false;
  if (found.entered) {
    found.lease->policy = &g_policy;
    found.lease->known = true;
  }
  found.lease->fresh_tokens = 1000;
  found.lease->fresh_since_ns = now_ns;
  return lease_take(*found.lease, kView, now_ns, 1).decision.allowed;
}

void take_leased(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t now_ns = 3'600'000'000'000, next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(take(mixed(next), now_ns));
    next = next + 1 == keys ? 0 : next + 1;
    now_ns += 1000;
  }
}
BENCHMARK(take_leased)->Setup(prepare)->Arg(1)->Arg(1000)->Arg(300000);
BENCHMARK(take_leased)->Setup(prepare)->Arg(1)->Threads(2);

}  // namespace
}  // namespace lotagate::limit
