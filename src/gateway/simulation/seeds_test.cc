// Many lives of a gateway, each from a seed. One seed alone:
//   LOTAGATE_FIRST_SEED=N LOTAGATE_SEEDS=1 lg_simulation_test --gtest_filter='*Seeds*'
// LOTAGATE_TRACE=1 shows every operation and arrival on the network.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "gateway/simulation/random_life.h"

// Of the sanitizers' runtimes, when there is one.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace lotagate::simulation {
namespace {

constexpr std::uint64_t kShards = 4;  // ctest runs them side by side

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string how_to_repeat(std::uint64_t seed) {
  return fmt::format("reproduce with: LOTAGATE_FIRST_SEED={} LOTAGATE_SEEDS=1 {} --gtest_filter='*Seeds*'\n", seed,
                     testing::internal::GetArgvs()[0]);
}

// What a crash says last. Set before each seed, because nothing may be formatted in a signal handler.
std::string last_words;  // NOLINT: the handler has no other way to it

void say_last_words() { [[maybe_unused]] auto written = ::write(2, last_words.data(), last_words.size()); }

void on_abort(int signal) {
  say_last_words();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// How the life of `seed` went: the same for the same seed.
std::pair<std::uint64_t, MonotonicTime> live(std::uint64_t seed) {
  SimulatedNetworkOptions network = random_network(seed);
  network.trace = std::getenv("LOTAGATE_TRACE") != nullptr;
  World world({.network = network});
  RandomLife life(world, seed);
  life.begin();
  world.run_clients(seconds(400));
  world.finish();
  EXPECT_EQ(world.violations(), std::vector<std::string>());
  return {world.network().operations(), world.network().now()};
}

TEST(SameSeed, SameLife) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(live(seed), live(seed)) << seed;
}

class Seeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, KeepEveryPromise) {
  std::uint64_t first = from_environment("LOTAGATE_FIRST_SEED", 1);
  std::uint64_t count = from_environment("LOTAGATE_SEEDS", LG_SEEDS);
  std::signal(SIGABRT, on_abort);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(say_last_words);
  for (std::uint64_t i = GetParam(); i < count; i += kShards) {
    last_words = how_to_repeat(first + i);
    live(first + i);
    if (HasFailure()) FAIL() << last_words;
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, Seeds, testing::Range(std::uint64_t{0}, kShards));

}  // namespace
}  // namespace lotagate::simulation
