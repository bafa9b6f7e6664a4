#include "limit/concurrency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace lotagate::limit {
namespace {

using Outcome = PlaceTable::Outcome;

// A waiter that keeps what it was told.
struct Waiter : PlaceWaiter {
  explicit Waiter(std::uint64_t who = 1, Priority priority = Priority::normal) : PlaceWaiter(tell, who, priority) {}
  static void tell(PlaceWaiter& base) noexcept { ++static_cast<Waiter&>(base).notices; }
  bool granted() const { return notices == 1 && place(); }
  bool displaced() const { return notices == 1 && !place(); }
  int notices = 0;
};

class Places : public testing::Test {
 protected:
  PlaceTable::Answer ask(Waiter* waiter = nullptr, std::uint64_t key = 7) {
    return table.acquire({limit, key, now}, waiter);
  }
  PlaceTable::Place take(std::uint64_t key = 7) {
    auto answer = ask(nullptr, key);
    EXPECT_EQ(answer.outcome, Outcome::granted);
    return answer.place;
  }
  void give_back(const PlaceTable::Place& place) { table.release(place, now); }

  MonotonicTime now{std::chrono::hours(1)};
  PlaceTable table;
  ConcurrencyLimit limit;
};

TEST_F(Places, as_many_as_the_limit_says) {
  limit.set(2, 0);
  auto first = take();
  auto second = take();
  Waiter waiter;
  EXPECT_EQ(ask(&waiter).outcome, Outcome::full);
  EXPECT_EQ(table.keys(), 1u);
  give_back(first);
  auto third = take();
  EXPECT_EQ(ask().outcome, Outcome::full);
  give_back(second);
  give_back(third);
  EXPECT_EQ(table.keys(), 0u);
  EXPECT_EQ(waiter.notices, 0);
}

TEST_F(Places, every_key_has_its_own) {
  limit.set(1, 0);
  std::vector<PlaceTable::Place> held;
  for (std::uint64_t key = 0; key < 50'000; key += 7) held.push_back(take(key));
  for (std::uint64_t key = 0; key < 50'000; key += 7) EXPECT_EQ(ask(nullptr, key).outcome, Outcome::full);
  EXPECT_EQ(table.keys(), held.size());
  for (const auto& place : held) give_back(place);
  EXPECT_EQ(table.keys(), 0u);
}

TEST_F(Places, a_place_that_is_given_back_goes_to_the_next_in_turn) {
  limit.set(1, 8);
  auto held = take();
  Waiter a1(1), a2(1), b1(2);
  for (Waiter* waiter : {&a1, &a2, &b1}) EXPECT_EQ(ask(waiter).outcome, Outcome::queued);
  EXPECT_EQ(ask().outcome, Outcome::full) << "nobody overtakes";
  give_back(held);
  EXPECT_TRUE(a1.granted());
  EXPECT_EQ(a2.notices + b1.notices, 0);
  give_back(a1.place());
  EXPECT_TRUE(b1.granted());
  give_back(b1.place());
  EXPECT_TRUE(a2.granted());
  give_back(a2.place());
  EXPECT_EQ(table.keys(), 0u);
}

TEST_F(Places, a_full_queue_refuses) {
  limit.set(1, 2);
  auto held = take();
  Waiter a(1), b(2), c(3);
  ask(&a);
  ask(&b);
  EXPECT_EQ(ask(&c).outcome, Outcome::full);
  EXPECT_TRUE(table.leave(a, now).queued);
  EXPECT_TRUE(table.leave(b, now).queued);
  give_back(held);
}

TEST_F(Places, who_fills_the_queue_makes_room_for_others) {
  limit.set(1, 3);
  auto held = take();
  Waiter a1(1), a2(1), a3(1), b1(2), b2(2);
  for (Waiter* waiter : {&a1, &a2, &a3}) ask(waiter);
  EXPECT_EQ(ask(&b1).outcome, Outcome::queued);
  EXPECT_TRUE(a3.displaced());
  EXPECT_GE(a3.retry_after(), seconds(1));
  EXPECT_EQ(ask(&b2).outcome, Outcome::full);
  auto left = table.leave(a3, now);  // raced with the notice
  EXPECT_FALSE(left.queued);
  EXPECT_FALSE(left.place);
  for (Waiter* waiter : {&a1, &a2, &b1}) EXPECT_TRUE(table.leave(*waiter, now).queued);
  give_back(held);
}

TEST_F(Places, who_leaves_gets_nothing_and_holds_nobody_up) {
  limit.set(1, 8);
  auto held = take();
  Waiter a(1), b(2);
  ask(&a);
  ask(&b);
  EXPECT_TRUE(table.leave(a, now).queued);
  give_back(held);
  EXPECT_EQ(a.notices, 0);
  EXPECT_TRUE(b.granted());
  give_back(b.place());
  EXPECT_EQ(table.keys(), 0u);
}

TEST_F(Places, who_leaves_too_late_holds_a_place) {
  limit.set(1, 8);
  auto held = take();
  Waiter waiter;
  ask(&waiter);
  give_back(held);
  auto left = table.leave(waiter, now);
  EXPECT_FALSE(left.queued);
  ASSERT_TRUE(left.place);
  EXPECT_EQ(ask().outcome, Outcome::full);
  give_back(left.place);
  EXPECT_EQ(table.keys(), 0u);
}

TEST_F(Places, new_numbers_count_at_once) {
  limit.set(1, 8);
  auto held = take();
  Waiter a(1), b(2), c(3), d(4);
  for (Waiter* waiter : {&a, &b, &c, &d}) ask(waiter);
  limit.set(3, 0);
  table.regrant(now);
  EXPECT_TRUE(a.granted());
  EXPECT_TRUE(b.granted());
  EXPECT_EQ(c.notices, 0) << "who waits stays, even without a queue for others";
  limit.set(1, 0);
  table.regrant(now);
  give_back(held);
  give_back(a.place());
  EXPECT_EQ(c.notices, 0);
  limit.set(2, 0);
  EXPECT_EQ(ask().outcome, Outcome::full) << "whoever waits goes first";
  EXPECT_TRUE(c.granted());
  give_back(b.place());
  EXPECT_TRUE(d.granted());
  give_back(c.place());
  give_back(d.place());
  EXPECT_EQ(table.keys(), 0u);
}

TEST_F(Places, limits_that_only_report_count_and_admit) {
  limit.set(1, 1);
  std::vector<PlaceTable::Place> held;
  for (bool expected : {false, false, true, true}) {
    bool over = !expected;
    held.push_back(table.acquire_anyway({limit, 7, now}, over));
    EXPECT_EQ(over, expected);
  }
  for (const auto& place : held) give_back(place);
  EXPECT_EQ(table.keys(), 0u);
}

struct RetryRow {
  std::uint32_t requests;
  milliseconds held;
  std::size_t waiting;
  seconds expected;
};

TEST_F(Places, retry_after_follows_how_long_places_are_held) {
  const RetryRow rows[] = {
      {1, milliseconds(10), 0, seconds(1)},        {1, milliseconds(1000), 0, seconds(1)},
      {1, milliseconds(1001), 0, seconds(2)},      {1, milliseconds(5000), 3, seconds(20)},
      {4, milliseconds(5000), 3, seconds(5)},      {1, milliseconds(5000), 50, seconds(60)},
      {1, milliseconds(3600'000), 0, seconds(60)},
  };
  for (const RetryRow& row : rows) {
    ConcurrencyLimit own;
    own.set(row.requests, 100);
    auto first = table.acquire({own, 9, now}, nullptr);
    now += row.held;
    table.release(first.place, now);
    std::vector<PlaceTable::Place> held;
    for (std::uint32_t i = 0; i < row.requests; ++i) held.push_back(table.acquire({own, 9, now}, nullptr).place);
    std::deque<Waiter> waiters;
    for (std::size_t i = 0; i < row.waiting; ++i) table.acquire({own, 9, now}, &waiters.emplace_back());
    EXPECT_EQ(table.acquire({own, 9, now}, nullptr).retry_after, row.expected)
        << row.held.count() << ' ' << row.waiting;
    for (Waiter& waiter : waiters) EXPECT_TRUE(table.leave(waiter, now).queued);
    for (const auto& place : held) table.release(place, now);
  }
}

TEST_F(Places, before_a_place_was_given_back_the_age_of_the_first_tells) {
  limit.set(1, 0);
  auto held = take();
  now += seconds(8);
  EXPECT_EQ(ask().retry_after, seconds(8));
  give_back(held);
}

// What a naive program would answer: who holds, who waits, in plain lists. The queue's order has a test of its own, so
// here it is one user per request.
class Model {
 public:
  Model(std::uint32_t requests, std::uint32_t queue) : requests_(requests), queue_(queue) {}
  void set(std::uint32_t requests, std::uint32_t queue) {
    requests_ = requests;
    queue_ = queue;
    grant();
  }
  Outcome acquire(std::size_t id) {
    grant();
    if (held.size() < requests_) {
      held.push_back(id);
      return Outcome::granted;
    }
    if (waiting.size() >= queue_) return Outcome::full;
    waiting.push_back(id);
    return Outcome::queued;
  }
  void release(std::size_t id) {
    std::erase(held, id);
    grant();
  }
  void leave(std::size_t id) { std::erase(waiting, id); }

  std::vector<std::size_t> held;
  std::deque<std::size_t> waiting;

 private:
  void grant() {
    while (held.size() < requests_ && !waiting.empty()) {
      held.push_back(waiting.front());
      waiting.pop_front();
    }
  }
  std::size_t requests_;
  std::size_t queue_;
};

void compare_with_model(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto any = [&](const auto& list) { return list[random() % list.size()]; };
  MonotonicTime now{std::chrono::hours(1)};
  PlaceTable table;
  ConcurrencyLimit limit;
  limit.set(2, 3);
  Model model(2, 3);
  std::deque<Waiter> waiters;
  std::vector<PlaceTable::Place> places;
  for (std::size_t id = 0; id < 300; ++id) {
    Waiter& waiter = waiters.emplace_back(id);
    auto& place = places.emplace_back();
    now += milliseconds(random() % 100);
    std::uint64_t step = random() % 16;
    if (step < 8) {
      auto answer = table.acquire({limit, 1, now}, &waiter);
      ASSERT_EQ(answer.outcome, model.acquire(id));
      place = answer.place;
    } else if (step < 13 && !model.held.empty()) {
      std::size_t chosen = any(model.held);
      model.release(chosen);
      table.release(places[chosen], now);
    } else if (step < 15 && !model.waiting.empty()) {
      std::size_t chosen = any(model.waiting);
      model.leave(chosen);
      ASSERT_TRUE(table.leave(waiters[chosen], now).queued);
    } else if (step == 15) {
      auto requests = static_cast<std::uint32_t>(1 + random() % 4);
      auto queue = static_cast<std::uint32_t>(random() % 5);
      model.set(requests, queue);
      limit.set(requests, queue);
      table.regrant(now);
    }
    for (std::size_t i = 0; i <= id; ++i) {
      bool held = std::ranges::find(model.held, i) != model.held.end();
      if (held && !places[i]) {
        ASSERT_TRUE(waiters[i].granted());
        places[i] = waiters[i].place();
      }
      if (std::ranges::find(model.waiting, i) != model.waiting.end()) ASSERT_EQ(waiters[i].notices, 0);
    }
    ASSERT_EQ(table.keys(), model.held.empty() ? 0u : 1u);
  }
  for (std::size_t id : model.waiting) table.leave(waiters[id], now);
  for (std::size_t id : model.held) table.release(places[id], now);
}

TEST(PlacesModel, answers_what_a_naive_program_answers) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare_with_model(seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lotagate::limit
