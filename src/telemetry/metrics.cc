#include "telemetry/metrics.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace lotagate::telemetry {

namespace {

// The first bound that a duration of so many bits can be under: what is left of the search is a step or two.
constexpr std::array<std::uint8_t, 65> kFirstBound = [] {
  std::array<std::uint8_t, 65> first{};
  for (std::size_t bits = 1; bits <= 64; ++bits) {
    const std::uint64_t least = std::uint64_t{1} << (bits - 1);
    first[bits] = first[bits - 1];
    while (first[bits] < kHistogramBounds.size() &&
           static_cast<std::uint64_t>(kHistogramBounds[first[bits]].count()) < least) {
      ++first[bits];
    }
  }
  return first;
}();

}  // namespace

void Histogram::record(nanoseconds duration) noexcept {
  const nanoseconds counted = std::max(duration, nanoseconds(0));
  const auto ns = static_cast<std::uint64_t>(counted.count());
  std::size_t bucket = kFirstBound[static_cast<std::size_t>(std::bit_width(ns))];
  while (bucket < kHistogramBounds.size() && kHistogramBounds[bucket] < counted) ++bucket;
  buckets_[bucket].add();
  sum_ns_.add(ns);
}

MetricsShard::MetricsShard() : cells_(std::make_unique<Cell[]>(kCells)) {}

MetricsShard::~MetricsShard() {
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

void MetricsShard::record(const RequestRecord& record) noexcept {
  count(pack({.route_slot = record.route_slot,
              .status = record.status,
              .method_index = std::min(record.method_index, kOtherMethod),
              .code = static_cast<std::uint8_t>(record.code ? static_cast<unsigned>(*record.code) + 1 : 0)}));

  if (record.code && RefusalCounters::counts(*record.code)) refusals.add(*record.code, record.reason);

  RouteHistograms* route = find(record.route_slot);
  if (route == nullptr) return;
  if (record.policy != PolicyOutcome::none) route->policy[static_cast<std::size_t>(record.policy)].add();
  route->request.record(record.duration);
  if (record.attempts > 0) route->upstream.record(record.upstream_duration);
  if (record.end == RequestEnd::complete || record.end == RequestEnd::refused) {
    nanoseconds elsewhere = record.queue_duration.value_or(nanoseconds(0));
    if (record.attempts > 0) elsewhere += record.upstream_duration;
    route->overhead.record(record.duration - elsewhere);
  }
}

// Linear probing; cells are never freed, so the first free one ends the search.
void MetricsShard::count(std::uint64_t key) noexcept {
  std::size_t at = (key * 0x9E3779B97F4A7C15) >> (64 - kCellBits);
  while (true) {
    Cell& cell = cells_[at];
    const std::uint64_t found = cell.key.load(std::memory_order_relaxed);
    if (found == key) {
      cell.count.add();
      return;
    }
    if (found == 0) {
      if (used_cells_ == kMaxRequestSeries) {
        overflow_.add();
        return;
      }
      ++used_cells_;
      cell.count.add();
      cell.key.store(key, std::memory_order_release);
      return;
    }
    at = (at + 1) % kCells;
  }
}

std::uint64_t MetricsShard::pack(const RequestSeries& series) noexcept {
  constexpr std::uint64_t kUsed = 1;  // no packed series is 0, the free cell
  return kUsed | std::uint64_t{series.code} << 8 | std::uint64_t{series.method_index} << 16 |
         std::uint64_t{series.status} << 24 | std::uint64_t{std::min(series.route_slot, kMaxRouteSlots - 1)} << 40;
}

RequestSeries MetricsShard::unpack(std::uint64_t key) noexcept {
  return {.route_slot = static_cast<std::uint32_t>(key >> 40),
          .status = static_cast<std::uint16_t>(key >> 24 & 0xFFFF),
          .method_index = static_cast<std::uint8_t>(key >> 16 & 0xFF),
          .code = static_cast<std::uint8_t>(key >> 8 & 0xFF)};
}

RouteHistograms* MetricsShard::find(std::uint32_t route_slot) const noexcept {
  if (route_slot >= kMaxRouteSlots) return nullptr;
  Chunk* chunk = chunks_[route_slot / kChunk].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : &(*chunk)[route_slot % kChunk];
}

void MetricsShard::prepare(std::uint32_t route_slot) {
  auto& chunk = chunks_[route_slot / kChunk];
  if (chunk.load(std::memory_order_relaxed) != nullptr) return;
  chunk.store(new Chunk(), std::memory_order_release);
}

Metrics::Metrics(std::uint32_t workers) : routes_{{"-", "-"}, {"other", "other"}} {
  for (std::uint32_t i = 0; i < workers; ++i) {
    shards_.push_back(std::make_unique<MetricsShard>());
    shards_.back()->prepare(kNoRouteSlot);
    shards_.back()->prepare(kOverflowRouteSlot);
  }
}

std::uint32_t Metrics::route_slot(std::string_view route, std::string_view service) {
  std::lock_guard lock(mutex_);
  const auto known =
      std::find_if(routes_.begin() + kOverflowRouteSlot + 1, routes_.end(),
                   [&](const RouteLabels& labels) { return labels.route == route && labels.service == service; });
  const auto slot = static_cast<std::uint32_t>(known - routes_.begin());
  if (known != routes_.end()) return slot;
  if (slot == kMaxRouteSlots) return kOverflowRouteSlot;
  for (const auto& shard : shards_) shard->prepare(slot);
  routes_.push_back({std::string(route), std::string(service)});
  return slot;
}

MetricsShard& Metrics::shard(std::uint32_t index) noexcept {
  LG_CHECK(index < shards_.size(), "there are as many metrics shards as workers");
  return *shards_[index];
}

std::vector<RouteLabels> Metrics::routes() const {
  std::lock_guard lock(mutex_);
  return routes_;
}

}  // namespace lotagate::telemetry
