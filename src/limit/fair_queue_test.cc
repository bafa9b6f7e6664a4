#include "limit/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace lotagate::limit {
namespace {

// A request with a name: "a1" is of user 'a'.
struct Named : QueuedRequest {
  Named(std::string_view text, Priority priority)
      : QueuedRequest(static_cast<unsigned char>(text[0]), priority), name(text) {}
  std::string name;
};

class Queue {
 public:
  void push(std::string_view name, Priority priority = Priority::normal) {
    auto& request = requests_.emplace_back(std::make_unique<Named>(name, priority));
    queue.push(*request);
  }
  Named& get(std::string_view name) {
    return **std::ranges::find_if(requests_, [&](const auto& request) { return request->name == name; });
  }
  std::string pop() {
    auto* next = static_cast<Named*>(queue.pop());
    return next == nullptr ? "" : next->name;
  }
  std::string all() {
    std::string names;
    while (!queue.empty()) names += (names.empty() ? "" : " ") + pop();
    return names;
  }
  std::string displaced_by(std::string_view name, Priority priority = Priority::normal) {
    auto* other = static_cast<Named*>(queue.to_displace(static_cast<unsigned char>(name[0]), priority));
    return other == nullptr ? "" : other->name;
  }

  FairQueue queue;

 private:
  std::vector<std::unique_ptr<Named>> requests_;
};

TEST(FairQueue, nobody_waits) {
  Queue queue;
  EXPECT_TRUE(queue.queue.empty());
  EXPECT_EQ(queue.pop(), "");
  EXPECT_EQ(queue.displaced_by("a1"), "");
}

TEST(FairQueue, one_user_is_served_in_the_order_of_arrival) {
  Queue queue;
  for (const char* name : {"a1", "a2", "a3"}) queue.push(name);
  EXPECT_EQ(queue.queue.size(), 3u);
  EXPECT_EQ(queue.all(), "a1 a2 a3");
}

TEST(FairQueue, users_take_turns) {
  Queue queue;
  for (const char* name : {"a1", "a2", "a3", "b1", "c1", "b2"}) queue.push(name);
  EXPECT_EQ(queue.all(), "a1 b1 c1 a2 b2 a3");
}

TEST(FairQueue, who_comes_back_is_behind_all_others) {
  Queue queue;
  for (const char* name : {"a1", "b1", "c1"}) queue.push(name);
  EXPECT_EQ(queue.pop(), "a1");
  queue.push("a2");
  queue.push("b2");
  EXPECT_EQ(queue.all(), "b1 c1 a2 b2");
}

TEST(FairQueue, higher_priorities_go_first) {
  Queue queue;
  queue.push("a1", Priority::low);
  queue.push("b1", Priority::normal);
  queue.push("a2", Priority::high);
  queue.push("c1", Priority::high);
  queue.push("a3", Priority::high);
  EXPECT_EQ(queue.all(), "a2 c1 a3 b1 a1");
}

TEST(FairQueue, who_leaves_changes_nobody_elses_turn) {
  for (const char* leaver : {"a1", "a2", "a3", "b1", "c1"}) {
    Queue queue;
    for (const char* name : {"a1", "a2", "a3", "b1", "c1"}) queue.push(name);
    queue.queue.remove(queue.get(leaver));
    std::string expected = "a1 b1 c1 a2 a3";
    if (std::string_view(leaver) == "a1") expected = "a2 b1 c1 a3";  // the user's turn stays
    if (std::string_view(leaver) == "a2") expected = "a1 b1 c1 a3";
    if (std::string_view(leaver) == "a3") expected = "a1 b1 c1 a2";
    if (std::string_view(leaver) == "b1") expected = "a1 c1 a2 a3";
    if (std::string_view(leaver) == "c1") expected = "a1 b1 a2 a3";
    EXPECT_EQ(queue.all(), expected) << leaver;
  }
}

TEST(FairQueue, the_newest_of_the_longest_line_makes_room) {
  Queue queue;
  for (const char* name : {"a1", "a2", "a3", "b1", "b2"}) queue.push(name);
  EXPECT_EQ(queue.displaced_by("c1"), "a3");
  EXPECT_EQ(queue.displaced_by("b3"), "") << "both would wait with three, then two";
  EXPECT_EQ(queue.displaced_by("a4"), "");
  queue.queue.remove(queue.get("a1"));
  EXPECT_EQ(queue.displaced_by("b3"), "");
  EXPECT_NE(queue.displaced_by("c1"), "");
}

TEST(FairQueue, one_request_each_is_fair) {
  Queue queue;
  for (const char* name : {"a1", "b1"}) queue.push(name);
  EXPECT_EQ(queue.displaced_by("c1"), "");
}

TEST(FairQueue, lower_priorities_make_room_for_higher_ones) {
  Queue queue;
  queue.push("a1", Priority::normal);
  queue.push("b1", Priority::low);
  queue.push("a2", Priority::high);
  EXPECT_EQ(queue.displaced_by("a3", Priority::high), "b1");
  EXPECT_EQ(queue.displaced_by("a3", Priority::normal), "b1");
  EXPECT_EQ(queue.displaced_by("c1", Priority::low), "");
  queue.queue.remove(queue.get("b1"));
  EXPECT_EQ(queue.displaced_by("c1", Priority::high), "a1");
  EXPECT_EQ(queue.displaced_by("c1", Priority::low), "");
}

// The same, as plainly as it can be written.
class NaiveQueue {
 public:
  struct Item {
    std::uint64_t who;
    Priority priority;
    std::size_t id;
  };

  void push(const Item& item) {
    auto& turns = turns_[item.priority];
    if (std::ranges::find(turns, item.who) == turns.end()) turns.push_back(item.who);
    items_.push_back(item);
  }
  std::size_t pop() {
    for (auto& [priority, turns] : turns_) {
      if (turns.empty()) continue;
      std::uint64_t who = turns.front();
      auto of_user = [&](const Item& item) { return item.who == who && item.priority == priority; };
      std::size_t id = std::ranges::find_if(items_, of_user)->id;
      turns.pop_front();
      turns.push_back(who);
      remove(id);
      return id;
    }
    return 0;
  }
  void remove(std::size_t id) {
    auto item = std::ranges::find(items_, id, &Item::id);
    auto [who, priority, unused] = *item;
    items_.erase(item);
    if (count(who, priority) == 0) std::erase(turns_[priority], who);
  }
  std::size_t to_displace(std::uint64_t who, Priority priority) const {
    Priority lowest = Priority::high;
    for (const Item& item : items_) lowest = std::max(lowest, item.priority);
    if (items_.empty() || lowest < priority) return 0;
    std::pair<std::size_t, std::uint64_t> longest;
    for (const Item& item : items_) {
      if (item.priority == lowest) longest = std::max(longest, {count(item.who, lowest), item.who});
    }
    if (lowest == priority && longest.first <= count(who, priority) + 1) return 0;
    std::size_t newest = 0;
    for (const Item& item : items_) {
      if (item.priority == lowest && item.who == longest.second) newest = item.id;
    }
    return newest;
  }
  const std::vector<Item>& items() const { return items_; }

 private:
  std::size_t count(std::uint64_t who, Priority priority) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(items_, [&](const Item& item) { return item.who == who && item.priority == priority; }));
  }
  std::vector<Item> items_;  // as they came
  std::map<Priority, std::deque<std::uint64_t>> turns_;
};

struct Numbered : QueuedRequest {
  Numbered(std::size_t n, std::uint64_t who, Priority priority) : QueuedRequest(who, priority), id(n) {}
  std::size_t id;
};

std::size_t id_of(const QueuedRequest* request) {
  return request == nullptr ? 0 : static_cast<const Numbered*>(request)->id;
}

void compare_with_naive(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::map<std::size_t, std::unique_ptr<Numbered>> alive;
  FairQueue queue;
  NaiveQueue naive;
  for (std::size_t id = 1; id <= 400; ++id) {
    std::uint64_t who = random() % (1 + seed % 7);
    auto priority = static_cast<Priority>(random() % kPriorityCount);
    ASSERT_EQ(id_of(queue.to_displace(who, priority)), naive.to_displace(who, priority));
    std::uint64_t step = random() % 8;
    if (step < 4) {
      auto& request = alive[id] = std::make_unique<Numbered>(id, who, priority);
      queue.push(*request);
      naive.push({who, priority, id});
    } else if (step < 7) {
      std::size_t next = id_of(queue.pop());
      ASSERT_EQ(next, naive.pop());
      alive.erase(next);
    } else if (!naive.items().empty()) {
      std::size_t gone = naive.items()[random() % naive.items().size()].id;
      queue.remove(*alive[gone]);
      naive.remove(gone);
      alive.erase(gone);
    }
    ASSERT_EQ(queue.size(), naive.items().size());
  }
}

TEST(FairQueue, does_what_a_naive_one_does) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare_with_naive(seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lotagate::limit
