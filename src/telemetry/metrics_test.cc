#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

namespace lotagate::telemetry {
namespace {

std::map<RequestSeries, std::uint64_t> series_of(const MetricsShard& shard) {
  std::map<RequestSeries, std::uint64_t> all;
  shard.for_each_series([&](const RequestSeries& series, std::uint64_t count) { all[series] += count; });
  return all;
}

std::uint64_t observations(const Histogram& histogram) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= kHistogramBounds.size(); ++i) count += histogram.bucket(i);
  return count;
}

TEST(Histogram, CountsIntoInclusiveBounds) {
  Histogram histogram;
  for (std::size_t i = 0; i < kHistogramBounds.size(); ++i) {
    histogram.record(kHistogramBounds[i]);
    histogram.record(kHistogramBounds[i] + nanoseconds(1));
  }
  EXPECT_EQ(histogram.bucket(0), 1u);
  for (std::size_t i = 1; i < kHistogramBounds.size(); ++i) EXPECT_EQ(histogram.bucket(i), 2u) << i;
  EXPECT_EQ(histogram.bucket(kHistogramBounds.size()), 1u);
  histogram.record(nanoseconds(-7));
  EXPECT_EQ(histogram.bucket(0), 2u);
}

TEST(Metrics, GivesTheSameNamesTheSameSlot) {
  Metrics metrics(1);
  std::uint32_t models = metrics.route_slot("models", "training");
  std::uint32_t other = metrics.route_slot("models", "inference");
  EXPECT_NE(models, other);
  EXPECT_EQ(metrics.route_slot("models", "training"), models);
  EXPECT_EQ(metrics.routes().at(models).service, "training");
  EXPECT_NE(metrics.route_slot("-", "-"), kNoRouteSlot);  // a route may be called like the label of none
}

TEST(Metrics, BoundsItsRoutes) {
  Metrics metrics(2);
  for (std::uint32_t i = 0; i < 2 * kMaxRouteSlots; ++i) metrics.route_slot(std::to_string(i), "s");
  EXPECT_EQ(metrics.routes().size(), kMaxRouteSlots);
  EXPECT_EQ(metrics.route_slot("one more", "s"), Metrics::kOverflowRouteSlot);
  EXPECT_EQ(metrics.route_slot("0", "s"), 2u);
}

TEST(MetricsShard, CountsWhatTheRecordSays) {
  Metrics metrics(1);
  MetricsShard& shard = metrics.shard(0);
  RequestRecord record;
  record.route_slot = metrics.route_slot("models", "training");
  record.method_index = method_index("POST");
  record.status = 200;
  record.attempts = 1;
  record.duration = milliseconds(8);
  record.upstream_duration = milliseconds(7);
  shard.record(record);
  shard.record(record);
  record.code = ErrorCode::bad_request;
  record.status = 400;
  record.attempts = 0;
  record.end = RequestEnd::client_closed;
  shard.record(record);

  auto all = series_of(shard);
  ASSERT_EQ(all.size(), 2u);
  RequestSeries good{.route_slot = record.route_slot, .status = 200, .method_index = 2, .code = 0};
  RequestSeries bad{.route_slot = record.route_slot, .status = 400, .method_index = 2, .code = 1};
  EXPECT_EQ(all[good], 2u);
  EXPECT_EQ(all[bad], 1u);

  const RouteHistograms* route = shard.histograms(record.route_slot);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(observations(route->request), 3u);
  EXPECT_EQ(observations(route->upstream), 2u);
  EXPECT_EQ(observations(route->overhead), 2u);
  EXPECT_EQ(route->overhead.sum_ns(), 2'000'000u);
}

TEST(MetricsShard, SeriesAreBoundedUnderAMillionRandomRequests) {
  Metrics metrics(1);
  MetricsShard& shard = metrics.shard(0);
  std::mt19937_64 random(5);
  RequestRecord record;
  constexpr std::uint64_t kRequests = 1'000'000;
  for (std::uint64_t i = 0; i < kRequests; ++i) {
    std::uint64_t bits = random();
    record.route_slot = static_cast<std::uint32_t>(bits);
    record.status = static_cast<std::uint16_t>(bits >> 32);
    record.method_index = static_cast<std::uint8_t>(bits >> 48);
    record.code = static_cast<ErrorCode>((bits >> 56) % kErrorCodeCount);
    shard.record(record);
  }
  auto all = series_of(shard);
  EXPECT_EQ(all.size(), kMaxRequestSeries);
  std::uint64_t counted = shard.overflow();
  for (const auto& [series, count] : all) counted += count;
  EXPECT_EQ(counted, kRequests);
}

TEST(MetricsShard, RouteSlotsOutOfRangeShareTheLastSeries) {
  Metrics metrics(1);
  RequestRecord record;
  record.route_slot = UINT32_MAX;
  metrics.shard(0).record(record);
  EXPECT_EQ(series_of(metrics.shard(0)).begin()->first.route_slot, kMaxRouteSlots - 1);
}

// A scrape and a registration while workers write: no torn numbers, nothing lost at the end.
TEST(Metrics, CanBeReadAndExtendedWhileWorkersWrite) {
  constexpr std::uint32_t kWorkers = 3;
  constexpr std::uint64_t kRequests = 30000;
  Metrics metrics(kWorkers);
  std::atomic<std::uint32_t> newest{0};
  std::atomic<std::uint32_t> running{kWorkers};
  std::vector<std::jthread> workers;
  for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      RequestRecord record;
      for (std::uint64_t i = 0; i < kRequests; ++i) {
        record.route_slot = newest.load() == 0 ? 0 : static_cast<std::uint32_t>(i % (newest.load() + 1));
        record.status = static_cast<std::uint16_t>(200 + i % 5);
        metrics.shard(worker).record(record);
        metrics.shard(worker).gauges.loop_turns.add();
      }
      --running;
    });
  }
  std::uint64_t before = 0;
  auto total = [&] {
    std::uint64_t sum = 0;
    for (const auto& shard : metrics.shards()) {
      for (const auto& [series, count] : series_of(*shard)) sum += count;
    }
    return sum;
  };
  for (int i = 0; running > 0; ++i) {
    if (i < 300) newest = metrics.route_slot("r" + std::to_string(i), "s");
    std::uint64_t now = total();
    EXPECT_GE(now, before);
    before = now;
  }
  workers.clear();
  EXPECT_EQ(total(), kWorkers * kRequests);
  std::uint64_t observed = 0;
  for (const auto& shard : metrics.shards()) {
    for (std::uint32_t slot = 0; slot < metrics.routes().size(); ++slot) {
      if (const RouteHistograms* route = shard->histograms(slot)) observed += observations(route->request);
    }
  }
  EXPECT_EQ(observed, kWorkers * kRequests);
}

}  // namespace
}  // namespace lotagate::telemetry
