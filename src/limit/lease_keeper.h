// The thread that talks to the store for all leases, so that no request has to.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "limit/lease.h"
#include "limit/lease_table.h"
#include "limit/redis_store.h"
#include "limit/shared_buckets.h"

namespace lotagate::limit {

// Serves the queue in batches, each written to the store at once. Every quarter second or so it has looked at the whole
// table (of millions of keys: every few seconds), a piece at a time: leases past their life go back, what was spent
// while the store was away is charged.
//
// The breaker: one error of the store as a whole, or one answer that does not come in time, and the store is away. It
// is asked once more at once (a restart, a failover), then every `probe_every`, with one connection and one heartbeat,
// and is back when it has accepted that: a heartbeat is a write.
class LeaseKeeper {
 public:
  // Starts the thread. All but the settings outlive it.
  LeaseKeeper(StoreSettings settings, StoreHooks hooks, LeaseTable& table, LeaseQueue& queue);
  // Gives everything back, for at most about 10 timeouts.
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  LeaseView view() const noexcept;
  // Until the store has answered or failed for the first time.
  void wait_for_first_answer(milliseconds most);
  void reconfigure(StoreSettings settings);
  void report(StoreStats& stats) const;

 private:
  static constexpr std::size_t kBatch = 256;
  static constexpr std::size_t kSweeps = 16;               // pieces of the table
  static constexpr std::size_t kMostSetsOfASweep = 16384;  // some 2 ms
  static constexpr milliseconds kSweepEvery{16};

  struct Timer {
    std::uint64_t at_ns;
    std::uint64_t key;
    bool is_far;  // Lease::timed, not Lease::queued
    bool operator>(const Timer& other) const { return at_ns > other.at_ns; }
  };
  // What a look at the whole table comes to.
  struct Held {
    struct Kind {
      std::uint64_t keys = 0;
      std::uint64_t oldest_ns = 0;
    };
    std::uint64_t tokens = 0;
    std::uint64_t owed = 0;
    std::array<Kind, BucketTable::kMaxKinds> kinds{};
  };

  void run();
  void turn();
  void apply_settings();
  void try_open();
  void go_away(const std::string& why);
  void come_back();
  bool beat(bool leave, std::string& error);
  void count_gateways(std::uint32_t seen);
  void sweep();
  void note(const Lease& lease, std::uint64_t now_ns);
  void publish_held();
  void collect();
  void look_at(std::uint64_t key, bool is_far);
  void run_batch();
  void finish(std::size_t index, bool store_failed);
  void set_timer(Lease& lease, std::uint64_t key, std::uint64_t now_ns);
  void release_all();
  void add(const LeaseCall& call);
  std::uint64_t now_ns() const;
  void publish();

  LeaseTable& table_;
  LeaseQueue& queue_;
  const StoreHooks hooks_;
  const std::string gateway_;  // this one's name in the store

  // Read by takes.
  alignas(64) std::atomic<bool> up_{false};
  std::atomic<std::uint32_t> gateways_{1};
  std::atomic<std::uint32_t> connection_{0};
  std::atomic<std::uint64_t> life_ns_{0};

  // The keeper's own.
  alignas(64) StoreSettings settings_;
  std::optional<RedisStore> store_;
  std::uint32_t losses_ = 0;  // of the store, as of the last look
  StoreCounters earlier_;     // of stores before the last change of settings
  MonotonicTime probe_at_{}, beat_at_{}, sweep_at_{}, away_since_{}, fewer_since_{};
  bool announced_ = false;  // that the store is away
  std::size_t next_set_ = 0;
  bool sweep_whole_ = false;
  Held held_;
  std::vector<std::uint64_t> keys_;  // of the queue
  std::vector<LeaseCall> calls_;
  std::vector<StoreRequest> requests_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;

  mutable std::mutex mutex_;  // guards the following
  std::condition_variable first_answer_;
  bool answered_ = false;
  std::optional<StoreSettings> new_settings_;
  StoreStats stats_;
  MonotonicTime last_success_{};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace lotagate::limit
