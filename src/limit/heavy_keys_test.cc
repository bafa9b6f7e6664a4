#include "limit/heavy_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace lotagate::limit {
namespace {

constexpr MonotonicTime kStart{std::chrono::hours(5)};

// A sketch and what is put into it. Keys are spread as hashes are.
class Traffic {
 public:
  explicit Traffic(std::uint64_t seed = 1) : sketch_(std::make_unique<HeavyKeys>(seed)) {}

  static std::uint64_t key(std::uint64_t number) { return std::mt19937_64(number)(); }

  void take(std::uint64_t number, MonotonicTime now, bool refused = false, std::uint16_t kind = 0) {
    if (sketch_->due()) sketch_->note(key(number), kind, "id" + std::to_string(number), refused, now);
  }
  std::vector<HeavyKey> entries(MonotonicTime now) {
    std::vector<HeavyKey> out;
    sketch_->entries(now, out);
    std::ranges::sort(out, std::greater(), &HeavyKey::takes);
    return out;
  }
  HeavyKeys& sketch() { return *sketch_; }

 private:
  std::unique_ptr<HeavyKeys> sketch_;
};

TEST(HeavyKeys, FindsTheHeavyKeysAmongManyLightOnes) {
  Traffic traffic;
  std::mt19937 random(7);
  for (std::uint64_t i = 0; i < 400'000; ++i) {
    traffic.take(random() % 100 < 2 ? 1 : 1000 + random() % 100'000, kStart);  // 2 % of all takes
  }
  auto found = traffic.entries(kStart);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].key, Traffic::key(1));
  EXPECT_EQ(found[0].identity(), "id1");
  // 500 samples of 8,000 takes: a standard deviation of 5 %. Whatever came before it found its place is missing.
  EXPECT_NEAR(static_cast<double>(found[0].takes), 8000, 2000);
  EXPECT_LT(found[1].takes, found[0].takes / 10);
}

TEST(HeavyKeys, CountsWhatThereWasOnAverage) {
  Traffic traffic;
  constexpr std::uint64_t kTakes = 320'000;
  for (std::uint64_t i = 0; i < kTakes; ++i) traffic.take(i % 10, kStart, i % 10 == 3 || (i % 10 == 4 && i % 20 == 4));
  auto found = traffic.entries(kStart);
  ASSERT_EQ(found.size(), 10u);
  std::map<std::uint64_t, HeavyKey> by_key;
  for (const HeavyKey& entry : found) by_key[entry.key] = entry;
  for (std::uint64_t number = 0; number < 10; ++number) {
    // 2,000 samples each: a standard deviation of 2.2 %.
    EXPECT_NEAR(static_cast<double>(by_key[Traffic::key(number)].takes), 32'000, 4000) << number;
  }
  EXPECT_EQ(by_key[Traffic::key(3)].refused, by_key[Traffic::key(3)].takes);
  EXPECT_NEAR(static_cast<double>(by_key[Traffic::key(4)].refused), 16'000, 2500);
  EXPECT_EQ(by_key[Traffic::key(5)].refused, 0u);
}

// A step that is always the same would see one limit of a route and never the other.
TEST(HeavyKeys, SeesEveryLimitOfARoute) {
  for (std::uint64_t limits : {2, 3, 4, 8, 16}) {
    Traffic traffic(limits);
    for (std::uint64_t i = 0; i < 40'000; ++i) traffic.take(i % limits, kStart);
    EXPECT_EQ(traffic.entries(kStart).size(), limits);
  }
}

TEST(HeavyKeys, SaysWhatIsHeavyNow) {
  Traffic traffic;
  for (int i = 0; i < 100'000; ++i) traffic.take(1, kStart);
  std::uint64_t before = traffic.entries(kStart)[0].takes;
  std::uint64_t after = traffic.entries(kStart + HeavyKeys::kHalfLife)[0].takes;
  EXPECT_EQ(after, before / 2);

  MonotonicTime later = kStart + 6 * HeavyKeys::kHalfLife;
  for (int i = 0; i < 20'000; ++i) traffic.take(2, later);
  auto found = traffic.entries(later);
  EXPECT_EQ(found[0].key, Traffic::key(2));
  EXPECT_EQ(found[0].since, later);
  EXPECT_EQ(found[1].takes, before / 64);
  EXPECT_EQ(found[1].since, kStart);

  EXPECT_TRUE(traffic.entries(later + 100 * HeavyKeys::kHalfLife).empty());
}

TEST(HeavyKeys, ANewKeyDoesNotShowWhatItInherited) {
  Traffic traffic;
  constexpr std::uint64_t kKeys = HeavyKeys::kWays + 1;  // small numbers are all of one set: one too many for it
  for (std::uint64_t key = 1; key <= kKeys; ++key) {
    for (int i = 0; i < 100; ++i) traffic.sketch().note(key, 0, "x", false, kStart);
  }
  auto found = traffic.entries(kStart);
  ASSERT_EQ(found.size(), HeavyKeys::kWays);
  for (const HeavyKey& entry : found) EXPECT_EQ(entry.takes, 100 * HeavyKeys::kSampleEvery);
  EXPECT_TRUE(std::ranges::any_of(found, [&](const HeavyKey& entry) { return entry.key == kKeys; }));
}

TEST(HeavyKeys, KeepsTheBeginningOfALongIdentity) {
  Traffic traffic;
  std::string longest(HeavyKey::kMaxIdentityBytes, 'a');
  traffic.sketch().note(1, 0, longest, false, kStart);
  traffic.sketch().note(1ull << 40, 0, longest + "b", true, kStart);
  for (const HeavyKey& entry : traffic.entries(kStart)) {
    EXPECT_EQ(entry.identity(), longest);
    EXPECT_EQ(entry.identity_cut, entry.key != 1);
  }
}

TEST(HeavyKeys, IsAFixedPieceOfMemory) {
  EXPECT_LE(sizeof(HeavyKeys), 80u * 1024);
  Traffic traffic;
  for (std::uint64_t i = 0; i < 300'000; ++i) traffic.take(i, kStart);
  EXPECT_EQ(traffic.entries(kStart).size(), HeavyKeys::kEntries);
}

// The thread sanitizer looks on.
TEST(HeavyKeys, IsReadWhileItIsWritten) {
  Traffic traffic;
  std::atomic<bool> end = false;
  std::thread worker([&] {
    for (std::uint64_t i = 0; !end; ++i) traffic.take(i % 1000, kStart + milliseconds(i));
  });
  for (int reads = 0; reads < 200;) {
    auto found = traffic.entries(kStart);
    if (!found.empty()) ++reads;
    for (const HeavyKey& entry : found) {
      EXPECT_EQ(entry.identity().substr(0, 2), "id");
      EXPECT_LE(entry.refused, entry.takes);
    }
  }
  end = true;
  worker.join();
}

}  // namespace
}  // namespace lotagate::limit
