// Counters and histograms: one shard per worker, written only by its worker, read by a scrape at any moment.
//
// Nothing is shared between workers and nothing waits: a worker adds with a relaxed load and store of its own memory,
// a scrape reads whatever is there. Every sum is exact once the workers pause.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "telemetry/record.h"
#include "telemetry/refusals.h"

namespace lotagate::telemetry {

// Grows only. One writer; any reader.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  // For a count that is kept elsewhere and copied here.
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Goes up and down. One writer; any reader.
class Gauge {
 public:
  void add(std::int64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(std::int64_t n = 1) noexcept { add(-n); }
  void set(std::int64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Upper bounds, inclusive: two or three per decade from 50 microseconds (a local hop) to 60 s (the longest deadline).
inline constexpr std::array<nanoseconds, 19> kHistogramBounds{
    nanoseconds{50'000},         nanoseconds{100'000},        nanoseconds{250'000},       nanoseconds{500'000},
    nanoseconds{1'000'000},      nanoseconds{2'500'000},      nanoseconds{5'000'000},     nanoseconds{10'000'000},
    nanoseconds{25'000'000},     nanoseconds{50'000'000},     nanoseconds{100'000'000},   nanoseconds{250'000'000},
    nanoseconds{500'000'000},    nanoseconds{1'000'000'000},  nanoseconds{2'500'000'000}, nanoseconds{5'000'000'000},
    nanoseconds{10'000'000'000}, nanoseconds{30'000'000'000}, nanoseconds{60'000'000'000}};

// One writer; any reader. Negative durations count as 0.
class Histogram {
 public:
  void record(nanoseconds duration) noexcept;
  // Observations up to kHistogramBounds[i] and above the bound before; the last index: above all bounds.
  std::uint64_t bucket(std::size_t i) const noexcept { return buckets_[i].value(); }
  std::uint64_t sum_ns() const noexcept { return sum_ns_.value(); }

 private:
  std::array<Counter, kHistogramBounds.size() + 1> buckets_;
  Counter sum_ns_;
};

// Histograms of several workers added up.
struct HistogramSum {
  std::array<std::uint64_t, kHistogramBounds.size() + 1> buckets{};
  std::uint64_t sum_ns = 0;

  void add(const Histogram& histogram) {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += histogram.bucket(i);
    sum_ns += histogram.sum_ns();
  }
};

// Per route and worker.
struct RouteHistograms {
  std::array<Counter, kPolicyOutcomeCount> policy;  // by PolicyOutcome; none is not counted
  Histogram request;                                // all requests that had a first byte
  Histogram upstream;                               // those that were offered to a service
  Histogram overhead;  // complete and refused ones: request less upstream, the gateway's own share
};

// Per worker; the worker updates them as things happen.
struct WorkerGauges {
  Gauge downstream_open;
  Counter downstream_accepted;
  Counter downstream_refused;  // closed at once: a connection limit, no descriptors
  Gauge upstream_open;         // idle ones included
  Gauge upstream_idle;
  Counter upstream_connects;
  Counter upstream_connect_failures;
  Counter retries;
  Counter token_cache_hits;
  Counter token_cache_misses;
  Gauge token_cache_bytes;
  Counter loop_turns;
};

// Most routes (names of route and service) of one process's life; later ones are counted together.
inline constexpr std::uint32_t kMaxRouteSlots = 1024;
// Distinct {route, method, status, code} of one worker; further ones are counted as overflow. 64 KiB.
inline constexpr std::size_t kMaxRequestSeries = 3072;

// What requests_total counts.
struct RequestSeries {
  std::uint32_t route_slot = 0;
  std::uint16_t status = 0;
  std::uint8_t method_index = 0;
  std::uint8_t code = 0;  // 0: none; else ErrorCode + 1
  auto operator<=>(const RequestSeries&) const = default;
};

class MetricsShard {
 public:
  MetricsShard();
  MetricsShard(const MetricsShard&) = delete;
  MetricsShard& operator=(const MetricsShard&) = delete;
  ~MetricsShard();

  // Counts one ended request. Worker only; no allocation.
  void record(const RequestRecord& record) noexcept;

  WorkerGauges gauges;
  RefusalCounters refusals;

  // Readers, any thread. `each(RequestSeries, count)`.
  template <typename Each>
  void for_each_series(Each&& each) const {
    for (std::size_t i = 0; i < kCells; ++i) {
      const Cell& cell = cells_[i];
      std::uint64_t key = cell.key.load(std::memory_order_acquire);
      if (key != 0) each(unpack(key), cell.count.value());
    }
  }
  std::uint64_t overflow() const noexcept { return overflow_.value(); }
  // Null while no route of this slot was registered.
  const RouteHistograms* histograms(std::uint32_t route_slot) const noexcept { return find(route_slot); }

 private:
  friend class Metrics;
  static constexpr unsigned kCellBits = 12;
  static constexpr std::size_t kCells = 1u << kCellBits;
  static_assert(kMaxRequestSeries <= kCells / 4 * 3, "linear probing needs free cells");
  static constexpr std::size_t kChunk = 64;  // routes whose histograms are allocated together

  struct Cell {
    std::atomic<std::uint64_t> key{0};  // 0: free; published after its first count
    Counter count;
  };
  using Chunk = std::array<RouteHistograms, kChunk>;

  static std::uint64_t pack(const RequestSeries& series) noexcept;
  static RequestSeries unpack(std::uint64_t key) noexcept;
  RouteHistograms* find(std::uint32_t route_slot) const noexcept;
  // Registration (Metrics, any thread, one at a time): makes the histograms of the slot exist.
  void prepare(std::uint32_t route_slot);
  void count(std::uint64_t key) noexcept;

  const std::unique_ptr<Cell[]> cells_;
  std::size_t used_cells_ = 0;
  Counter overflow_;
  std::array<std::atomic<Chunk*>, kMaxRouteSlots / kChunk> chunks_{};
};

// The labels of one route slot.
struct RouteLabels {
  std::string route;
  std::string service;
};

// The registry of routes and the shards. Lives as long as the process; slots are never given back.
class Metrics {
 public:
  explicit Metrics(std::uint32_t workers);

  // The slot of these names, the same for the same names also after a reload. At configuration time only (it locks and
  // may allocate), but workers may be recording meanwhile. When all slots are taken: kOverflowRouteSlot.
  std::uint32_t route_slot(std::string_view route, std::string_view service);

  // The shard of worker `index`, below `workers`; lives as long as this.
  MetricsShard& shard(std::uint32_t index) noexcept;
  const std::vector<std::unique_ptr<MetricsShard>>& shards() const noexcept { return shards_; }

  // Labels by slot, for a scrape. Slot kNoRouteSlot and kOverflowRouteSlot are "-" and "other".
  std::vector<RouteLabels> routes() const;

  static constexpr std::uint32_t kOverflowRouteSlot = 1;

 private:
  mutable std::mutex mutex_;  // guards routes_; never taken by a worker
  std::vector<RouteLabels> routes_;
  std::vector<std::unique_ptr<MetricsShard>> shards_;
};

}  // namespace lotagate::telemetry
