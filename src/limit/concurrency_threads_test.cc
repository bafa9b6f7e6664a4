// Places taken, awaited, given up and given back by many threads at once; a run under the thread sanitizer says more.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "limit/concurrency.h"

namespace lotagate::limit {
namespace {

constexpr MonotonicTime kNow{std::chrono::hours(1)};
constexpr std::uint32_t kRequests = 3;
constexpr std::size_t kKeys = 2;

// Owned by its thread; told by any.
struct Waiter : PlaceWaiter {
  Waiter(std::uint64_t who, Priority priority) : PlaceWaiter(tell, who, priority) {}
  static void tell(PlaceWaiter& base) noexcept {
    auto& self = static_cast<Waiter&>(base);
    self.notices.fetch_add(1, std::memory_order_release);
    self.notices.notify_one();
  }
  void await() { notices.wait(0, std::memory_order_acquire); }
  std::atomic<int> notices{0};
};

struct World {
  PlaceTable table;
  ConcurrencyLimit limit;
  std::array<std::atomic<int>, kKeys> inside{};
  std::array<std::atomic<int>, kKeys> most{};
  std::atomic<std::uint64_t> granted{0};
  std::atomic<std::uint64_t> left{0};
  std::atomic<std::uint64_t> left_too_late{0};
};

void hold(World& world, std::size_t key, const PlaceTable::Place& place) {
  int now_inside = world.inside[key].fetch_add(1) + 1;
  int most = world.most[key].load();
  while (most < now_inside && !world.most[key].compare_exchange_weak(most, now_inside)) continue;
  std::this_thread::yield();
  world.inside[key].fetch_sub(1);
  world.table.release(place, kNow);
  ++world.granted;
}

void one_request(World& world, std::mt19937_64& random, std::uint64_t who) {
  std::size_t key = random() % kKeys;
  Waiter waiter(who, static_cast<Priority>(random() % kPriorityCount));
  auto answer = world.table.acquire({world.limit, key, kNow}, &waiter);
  if (answer.outcome == PlaceTable::Outcome::granted) return hold(world, key, answer.place);
  if (answer.outcome == PlaceTable::Outcome::full) return;
  if (random() % 2 == 0) {
    waiter.await();
    ASSERT_EQ(waiter.notices.load(), 1);
    if (waiter.place()) hold(world, key, waiter.place());
    return;
  }
  if (random() % 2 == 0) std::this_thread::yield();
  auto left = world.table.leave(waiter, kNow);
  if (left.queued) {
    ++world.left;
    return;
  }
  waiter.await();  // it lives until it was told
  ++world.left_too_late;
  if (left.place) hold(world, key, left.place);
}

TEST(PlacesOfManyThreads, are_never_more_than_the_limit) {
  World world;
  world.limit.set(kRequests, 4);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 8; ++t) {
    threads.emplace_back([&world, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 4000; ++i) one_request(world, random, t % 3);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t key = 0; key < kKeys; ++key) {
    EXPECT_LE(world.most[key].load(), static_cast<int>(kRequests));
    EXPECT_EQ(world.inside[key].load(), 0);
  }
  EXPECT_GT(world.granted.load(), 0u);
  EXPECT_EQ(world.table.keys(), 0u);
  RecordProperty("left", std::to_string(world.left.load()));
  RecordProperty("left_too_late", std::to_string(world.left_too_late.load()));
}

// Numbers change while places are taken: nobody is forgotten in the queue.
TEST(PlacesOfManyThreads, nobody_is_forgotten_when_numbers_change) {
  World world;
  world.limit.set(1, 64);
  std::atomic<bool> ended{false};
  std::thread reload([&] {
    for (std::uint32_t i = 0; !ended.load(); ++i) {
      world.limit.set(1 + i % kRequests, 64);
      world.table.regrant(kNow);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 6; ++t) {
    threads.emplace_back([&world, t] {
      for (int i = 0; i < 2000; ++i) {
        Waiter waiter(t, Priority::normal);
        auto answer = world.table.acquire({world.limit, 0, kNow}, &waiter);
        ASSERT_NE(answer.outcome, PlaceTable::Outcome::full);
        if (answer.outcome == PlaceTable::Outcome::queued) waiter.await();
        hold(world, 0, answer.place ? answer.place : waiter.place());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ended = true;
  reload.join();
  EXPECT_EQ(world.granted.load(), 12'000u);
  EXPECT_LE(world.most[0].load(), static_cast<int>(kRequests));
  EXPECT_EQ(world.table.keys(), 0u);
}

}  // namespace
}  // namespace lotagate::limit
