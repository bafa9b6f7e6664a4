#include "limit/bucket_table.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace lotagate::limit {

struct BucketTableTestPeer {
  static constexpr std::size_t kSetBytes = sizeof(BucketTable::Set);

  static constexpr std::uint64_t kTentative = 1ull << 63;

  // Puts an entry of `key` into way `way` of a table of one set: a bucket, or a tentative one as a stopped thread
  // leaves it.
  static void plant(BucketTable& table, std::size_t way, std::uint64_t key, std::uint64_t full_at) {
    table.sets_[0].slots[way] = {key & ~(BucketTable::kMaxKinds - 1), full_at};
    ++table.occupied_;
  }
  // Which ways hold an entry of `key`, and whether it is a bucket: "-t-b" is tentative in way 1, a bucket in way 3.
  static std::string ways(const BucketTable& table, std::uint64_t key) {
    std::string text;
    for (const auto& slot : table.sets_[0].slots) {
      bool is_key = ((slot.key ^ key) >> BucketTable::kKindBits) == 0;
      text += !is_key ? '-' : (slot.full_at & kTentative) != 0 ? 't' : 'b';
    }
    return text;
  }
  // What the thread that found the tentative entry in `way` does next: may it become the bucket?
  static bool is_only_entry(BucketTable& table, std::size_t way) {
    auto seen = table.sets_[0].slots[way];
    return table.is_only_entry(table.sets_[0], way, seen);
  }

  static std::vector<std::uint64_t> keys(const BucketTable& table) {
    std::vector<std::uint64_t> found;
    for (std::uint64_t set = 0; set < table.set_count_; ++set) {
      for (const auto& slot : table.sets_[set].slots) {
        if (slot.key != 0) found.push_back(slot.key >> BucketTable::kKindBits);
      }
    }
    return found;
  }
};

namespace {

using Peer = BucketTableTestPeer;

BucketPolicy policy(std::uint32_t tokens, double rate, std::uint16_t kind = 0) {
  BucketPolicy made = make_bucket_policy(tokens, rate).value();
  made.kind = kind;
  return made;
}

constexpr MonotonicTime kStart{std::chrono::hours(1)};

// A key that is as well mixed as the real ones.
std::uint64_t key_of(std::uint64_t n) {
  n = (n + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
  n = (n ^ (n >> 27)) * 0x94D049BB133111EB;
  return n ^ (n >> 31);
}

// Runs `body(thread index)` in `count` threads that start together.
template <typename Body>
void in_threads(unsigned count, Body body) {
  std::barrier start(count);
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      body(i);
    });
  }
}

TEST(BucketTable, UsesTheMemoryItWasGiven) {
  BucketTable table(1'000'000);
  EXPECT_LE(table.stats().bytes, 1'000'000u);
  EXPECT_EQ(table.stats().slots, 1'000'000u / 64 * 4);
  EXPECT_EQ(BucketTable(0).stats().slots, 4u);
}

TEST(BucketTable, KeepsOneBucketPerKey) {
  BucketTable table(1 << 20);
  BucketPolicy three = policy(3, 1);
  for (std::uint64_t key = 0; key < 1000; ++key) {
    EXPECT_EQ(table.take(key_of(key), three, kStart).remaining, 2u);
    EXPECT_EQ(table.take(key_of(key), three, kStart, 2).remaining, 0u);
    EXPECT_FALSE(table.take(key_of(key), three, kStart).allowed);
  }
  EXPECT_EQ(table.stats().occupied, 1000u);
  EXPECT_EQ(table.stats().insertions, 1000u);
  EXPECT_EQ(table.stats().evictions, 0u);
}

TEST(BucketTable, AskingAndImpossibleCostsEnterNothing) {
  BucketTable table(1 << 16);
  BucketPolicy three = policy(3, 1);
  EXPECT_EQ(table.take(7, three, kStart, 0).remaining, 3u);
  EXPECT_FALSE(table.take(7, three, kStart, 4).allowed);
  EXPECT_EQ(table.stats().occupied, 0u);
  EXPECT_EQ(table.take(7, three, kStart, 2).remaining, 1u);
  EXPECT_EQ(table.take(7, three, kStart, 0).remaining, 1u);
}

TEST(BucketTable, ExtremeKeysAreKeys) {
  BucketTable table(Peer::kSetBytes);
  BucketPolicy one = policy(1, 1);
  for (std::uint64_t key : {std::uint64_t{0}, UINT64_MAX, std::uint64_t{1} << 63}) {
    EXPECT_TRUE(table.take(key, one, kStart).allowed);
    EXPECT_FALSE(table.take(key, one, kStart).allowed);
  }
}

TEST(BucketTable, AChangedPolicyKeepsTheBucket) {
  BucketTable table(1 << 16);
  EXPECT_TRUE(table.take(9, policy(2, 1), kStart, 2).allowed);
  EXPECT_FALSE(table.take(9, policy(2, 0.01), kStart + milliseconds(500), 2).allowed);
  EXPECT_FALSE(table.take(9, policy(1000, 1), kStart, 1000).allowed);
  EXPECT_EQ(table.stats().occupied, 1u);
}

TEST(BucketTable, ReplacesFullBucketsFirst) {
  BucketTable table(Peer::kSetBytes);  // one set: four buckets
  BucketPolicy ten = policy(10, 10);
  for (std::uint64_t key = 1; key <= 4; ++key) table.take(key_of(key), ten, kStart, key == 3 ? 1 : 5);
  // Key 3 is full again after 0.1 s, the others after 0.5 s.
  table.take(key_of(5), ten, kStart + milliseconds(200));
  EXPECT_EQ(table.stats().evictions, 0u);
  for (std::uint64_t key : {1u, 2u, 4u}) {
    EXPECT_EQ(table.take(key_of(key), ten, kStart + milliseconds(200), 0).remaining, 7u) << key;
  }
  EXPECT_EQ(table.take(key_of(3), ten, kStart + milliseconds(200), 0).remaining, 10u);
}

TEST(BucketTable, AFloodCannotPushOutHeavyKeys) {
  BucketTable table(4 * Peer::kSetBytes);
  BucketPolicy per_user = policy(100, 50);
  BucketPolicy per_hour = policy(100, 100.0 / 3600, 1);  // a long window must not outrank a short one
  constexpr std::uint64_t kHeavy = 42;
  table.take(key_of(kHeavy), per_user, kStart, 100);
  for (std::uint64_t key = 1000; key < 101000; ++key) table.take(key_of(key), per_hour, kStart);
  EXPECT_FALSE(table.take(key_of(kHeavy), per_user, kStart).allowed);
  BucketTableStats stats = table.stats();
  EXPECT_EQ(stats.occupied, stats.slots);
  EXPECT_EQ(stats.evictions, 100000u - (stats.slots - 1));
}

TEST(BucketTable, PushingOutTakesHeavierKeysInEveryWay) {
  BucketTable table(Peer::kSetBytes);
  BucketPolicy hundred = policy(100, 1);
  table.take(key_of(1), hundred, kStart, 50);
  for (std::uint64_t key = 2; key <= 4; ++key) table.take(key_of(key), hundred, kStart, 49);
  table.take(key_of(5), hundred, kStart, 60);  // replaces one that used 49
  EXPECT_EQ(table.take(key_of(1), hundred, kStart, 0).remaining, 50u);
  for (std::uint64_t key = 6; key <= 8; ++key) table.take(key_of(key), hundred, kStart, 60);
  EXPECT_EQ(table.take(key_of(1), hundred, kStart, 0).remaining, 100u);  // now it was the lightest
}

TEST(BucketTable, OneKeyIsExactUnderThreads) {
  constexpr unsigned kThreads = 8;
  BucketTable table(1 << 16);
  BucketPolicy limit = policy(20000, 1);
  std::atomic<std::uint64_t> admitted{0};
  in_threads(kThreads, [&](unsigned) {
    std::uint64_t mine = 0;
    for (int i = 0; i < 5000; ++i) mine += table.take(12345, limit, kStart).allowed ? 1 : 0;
    admitted += mine;
  });
  EXPECT_EQ(admitted, 20000u);
  EXPECT_EQ(table.take(12345, limit, kStart, 0).remaining, 0u);
}

// The rules that leave one entry of a key, from every state that two threads can have left behind.
TEST(BucketTable, ATentativeEntryYieldsToBucketsAndToLowerWays) {
  constexpr std::uint64_t kKey = 0x123456789ABCDEC0;
  struct Case {
    std::string_view before;
    std::size_t way;
    bool only;
    std::string_view after;
  };
  for (const Case& c : {Case{"t---", 0, true, "t---"}, Case{"---t", 3, true, "---t"}, Case{"t--t", 0, true, "t---"},
                        Case{"t--t", 3, false, "t---"}, Case{"-t-b", 1, false, "---b"}, Case{"bt--", 1, false, "b---"},
                        Case{"ttt-", 0, true, "t---"}, Case{"-ttt", 2, false, "-t-t"}}) {
    BucketTable table(Peer::kSetBytes);
    for (std::size_t way = 0; way < 4; ++way) {
      if (c.before[way] == 't') Peer::plant(table, way, kKey, Peer::kTentative | (100 + way));
      if (c.before[way] == 'b') Peer::plant(table, way, kKey, 5);
    }
    EXPECT_EQ(Peer::is_only_entry(table, c.way), c.only) << c.before;
    EXPECT_EQ(Peer::ways(table, kKey), c.after) << c.before;
  }
}

// A thread that stopped after it placed a tentative entry holds up nobody.
TEST(BucketTable, AnyoneCompletesATentativeEntry) {
  constexpr std::uint64_t kKey = 0x123456789ABCDEC0;
  BucketTable table(Peer::kSetBytes);
  Peer::plant(table, 2, kKey, Peer::kTentative | 7);
  BucketPolicy two = policy(2, 1);
  EXPECT_EQ(table.take(kKey, two, kStart).remaining, 1u);
  EXPECT_EQ(table.take(kKey, two, kStart).remaining, 0u);
  EXPECT_EQ(Peer::ways(table, kKey), "--b-");
  EXPECT_EQ(table.stats().occupied, 1u);
}

TEST(BucketTable, ATakeLeavesOneEntryOfTwoTentativeOnes) {
  constexpr std::uint64_t kKey = 0x123456789ABCDEC0;
  BucketTable table(Peer::kSetBytes);
  Peer::plant(table, 1, kKey, Peer::kTentative | 7);
  Peer::plant(table, 3, kKey, Peer::kTentative | 8);
  EXPECT_TRUE(table.take(kKey, policy(1, 1), kStart).allowed);
  EXPECT_EQ(Peer::ways(table, kKey), "-b--");
  EXPECT_EQ(table.stats().occupied, 1u);
}

TEST(BucketTable, ATakeFromTheBucketLeavesNoTentativeEntry) {
  constexpr std::uint64_t kKey = 0x123456789ABCDEC0;
  for (std::size_t bucket = 0; bucket < 4; ++bucket) {
    BucketTable table(Peer::kSetBytes);
    for (std::size_t way = 0; way < 4; ++way) {
      Peer::plant(table, way, kKey, way == bucket ? 5 : Peer::kTentative | way);
    }
    EXPECT_TRUE(table.take(kKey, policy(1, 1), kStart).allowed);
    EXPECT_EQ(Peer::ways(table, kKey), std::string(bucket, '-') + "b" + std::string(3 - bucket, '-'));
    EXPECT_EQ(table.stats().occupied, 1u);
  }
}

TEST(BucketTable, TentativeEntriesOfOthersCanBeReplaced) {
  BucketTable table(Peer::kSetBytes);
  for (std::size_t way = 0; way < 4; ++way) Peer::plant(table, way, key_of(way), Peer::kTentative | way);
  BucketPolicy one = policy(1, 1);
  EXPECT_TRUE(table.take(key_of(9), one, kStart).allowed);
  EXPECT_FALSE(table.take(key_of(9), one, kStart).allowed);
}

// Two threads enter the same key at the same moment and choose different victims, because their clocks differ: one of
// them sees the bucket in way 0 full again, the other one sees it well used.
TEST(BucketTable, TwoThreadsThatEnterTheSameKeyMakeOneBucket) {
  constexpr int kRounds = 20000;
  const BucketPolicy hour = policy(1, 1.0 / 3600);
  const BucketPolicy brief = policy(10, 1000);
  const BucketPolicy lengthy = policy(1000, 1);
  std::vector<std::unique_ptr<BucketTable>> tables;
  for (int round = 0; round < kRounds; ++round) {
    tables.push_back(std::make_unique<BucketTable>(Peer::kSetBytes));
    tables.back()->take(key_of(1), brief, kStart, 9);
    for (std::uint64_t key = 2; key <= 4; ++key) tables.back()->take(key_of(key), lengthy, kStart, 10);
  }
  std::array<std::atomic<int>, 2> arrived{};
  std::vector<std::atomic<int>> admitted(kRounds);
  in_threads(2, [&](unsigned thread) {
    const MonotonicTime now = thread == 0 ? kStart : kStart + milliseconds(20);
    for (int round = 0; round < kRounds; ++round) {
      arrived[thread] = round + 1;
      for (int spins = 0; arrived[1 - thread] <= round; ++spins) {
        if (spins > 1000) std::this_thread::yield();
      }
      if (tables[static_cast<std::size_t>(round)]->take(key_of(99), hour, now).allowed) {
        ++admitted[static_cast<std::size_t>(round)];
      }
    }
  });
  for (const auto& count : admitted) ASSERT_EQ(count, 1);
}

// New keys entered by all threads at once, again and again, into sets that have room: each admits its burst, no more.
TEST(BucketTable, EnteringIsExactUnderThreads) {
  constexpr unsigned kThreads = 4;
  constexpr std::uint64_t kKeys = 4;
  constexpr int kRounds = 3000;
  BucketPolicy limit = policy(5, 1);
  std::vector<std::unique_ptr<BucketTable>> tables;
  for (int i = 0; i < kRounds; ++i) tables.push_back(std::make_unique<BucketTable>(Peer::kSetBytes));
  std::vector<std::atomic<std::uint32_t>> admitted(kRounds * kKeys);
  in_threads(kThreads, [&](unsigned thread) {
    for (std::size_t round = 0; round < kRounds; ++round) {
      for (std::uint64_t i = 0; i < kKeys * 4; ++i) {
        std::uint64_t key = (i + thread) % kKeys;
        if (tables[round]->take(key_of(key), limit, kStart).allowed) ++admitted[round * kKeys + key];
      }
    }
  });
  for (const auto& count : admitted) ASSERT_EQ(count, 5u);
  for (const auto& table : tables) ASSERT_EQ(table->stats().occupied, kKeys);
}

// More keys than room in one set: forgetting may admit more, but a key never stands twice, and counts stay right.
TEST(BucketTable, ChurnNeverDuplicatesAKey) {
  constexpr unsigned kThreads = 4;
  for (std::uint64_t round = 0; round < 200; ++round) {
    BucketTable table(Peer::kSetBytes);
    BucketPolicy limit = policy(1000, 1);
    in_threads(kThreads, [&](unsigned thread) {
      std::mt19937_64 random(round * kThreads + thread);
      for (int i = 0; i < 500; ++i) table.take(key_of(random() % 7), limit, kStart, 1 + random() % 3);
    });
    std::vector<std::uint64_t> keys = Peer::keys(table);
    EXPECT_EQ(std::set<std::uint64_t>(keys.begin(), keys.end()).size(), keys.size());
    EXPECT_EQ(table.stats().occupied, keys.size());
  }
}

// Heavy keys keep their exact count while other threads flood the table with new ones.
TEST(BucketTable, HeavyKeysStayExactUnderAFlood) {
  BucketTable table(64 * Peer::kSetBytes);
  BucketPolicy limit = policy(1000, 1);
  constexpr std::uint64_t kHeavyKeys = 16;
  for (std::uint64_t key = 0; key < kHeavyKeys; ++key) table.take(key_of(key), limit, kStart, 500);
  std::array<std::atomic<std::uint32_t>, kHeavyKeys> admitted{};
  in_threads(4, [&](unsigned thread) {
    for (std::uint64_t i = 0; i < 20000; ++i) {
      if (thread < 2) {
        table.take(key_of(1'000'000 + i * 2 + thread), limit, kStart);
      } else if (table.take(key_of(i % kHeavyKeys), limit, kStart).allowed) {
        ++admitted[i % kHeavyKeys];
      }
    }
  });
  for (const auto& count : admitted) EXPECT_EQ(count, 500u);
}

TEST(BucketTable, SettlesWhatWasTaken) {
  BucketTable table(Peer::kSetBytes);
  BucketPolicy ten = policy(10, 1);
  table.take(key_of(1), ten, kStart, 4);
  EXPECT_EQ(table.settle(key_of(1), ten, kStart, -3).remaining, 9u);
  EXPECT_EQ(table.settle(key_of(1), ten, kStart, 5).remaining, 4u);
  EXPECT_EQ(table.take(key_of(1), ten, kStart, 0).remaining, 4u);
  EXPECT_EQ(table.settle(key_of(2), ten, kStart, -3).remaining, 10u) << "nothing is known of it";
  EXPECT_EQ(table.stats().occupied, 1u);
  EXPECT_EQ(table.settle(key_of(2), ten, kStart, 3).remaining, 7u);
  EXPECT_EQ(table.stats().occupied, 2u);
}

// A refusal elsewhere gives back what was taken here: whatever the threads do, nothing is lost and nothing made.
TEST(BucketTable, TakingAndGivingBackIsExactUnderThreads) {
  BucketTable table(1 << 16);
  BucketPolicy limit = policy(1000, 1e-3);
  std::atomic<int> kept{0};
  in_threads(8, [&](unsigned thread) {
    for (int i = 0; i < 20000; ++i) {
      if (!table.take(key_of(1), limit, kStart).allowed) continue;
      if ((i + static_cast<int>(thread)) % 16 == 0) {
        ++kept;
      } else {
        table.settle(key_of(1), limit, kStart, -1);
      }
    }
  });
  EXPECT_EQ(table.take(key_of(1), limit, kStart, 0).remaining, static_cast<std::uint32_t>(1000 - kept));
  EXPECT_LE(kept, 1000);
}

TEST(BucketTable, CountsKeysAndEvictionsByKind) {
  BucketTable table(Peer::kSetBytes);
  for (std::uint64_t key = 0; key < 4; ++key) table.take(key_of(key), policy(10, 1, 3), kStart);
  EXPECT_EQ(table.kind_stats(3).keys, 4u);
  table.take(key_of(9), policy(10, 1, 1023), kStart);
  EXPECT_EQ(table.kind_stats(3).keys, 3u);
  EXPECT_EQ(table.kind_stats(3).evictions, 1u);
  EXPECT_EQ(table.kind_stats(1023).keys, 1u);
  EXPECT_EQ(table.kind_stats(1023).evictions, 0u);
}

}  // namespace
}  // namespace lotagate::limit
