#include "telemetry/refusals.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "telemetry/metrics.h"
#include "telemetry/prometheus.h"

namespace lotagate::telemetry {
namespace {

using Counts = std::map<std::pair<ErrorCode, std::string>, std::uint64_t>;

Counts counts_of(const RefusalCounters& counters) {
  Counts counts;
  counters.for_each([&](ErrorCode code, std::string_view reason, std::uint64_t count) {
    counts[{code, std::string(reason)}] += count;
  });
  return counts;
}

std::uint64_t total(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const auto& [kind, count] : counts) sum += count;
  return sum;
}

// As many different reasons as a test wants; they live as long as the program.
std::string_view reason(std::size_t number) {
  static const auto* const kReasons = [] {
    auto* all = new std::vector<std::string>();
    for (std::size_t i = 0; i < 4 * kMaxRefusalSeries; ++i) all->push_back("a_reason_" + std::to_string(i));
    return all;
  }();
  return (*kReasons)[number];
}

TEST(RefusalCounters, TellsApartWhatIsAboutTheCaller) {
  std::set<std::string_view> counted;
  for (std::size_t i = 0; i < kErrorCodeCount; ++i) {
    auto code = static_cast<ErrorCode>(i);
    if (RefusalCounters::counts(code)) counted.insert(error_info(code).name);
  }
  EXPECT_EQ(counted, (std::set<std::string_view>{"missing_token", "invalid_token", "expired_token", "forbidden",
                                                 "keys_unavailable", "authorization_unavailable"}));
}

TEST(RefusalCounters, CountsByCodeAndReason) {
  RefusalCounters counters;
  EXPECT_TRUE(counts_of(counters).empty());
  for (int i = 0; i < 3; ++i) counters.add(ErrorCode::forbidden, reason(0));
  counters.add(ErrorCode::forbidden, reason(1));
  counters.add(ErrorCode::invalid_token, reason(0));
  EXPECT_EQ(counts_of(counters), (Counts{{{ErrorCode::forbidden, std::string(reason(0))}, 3},
                                         {{ErrorCode::forbidden, std::string(reason(1))}, 1},
                                         {{ErrorCode::invalid_token, std::string(reason(0))}, 1}}));
}

// The compiler may keep one text in two places.
TEST(RefusalCounters, ComparesPlacesAndSaysTexts) {
  static const std::string kCopy(reason(0));
  RefusalCounters counters;
  counters.add(ErrorCode::forbidden, reason(0));
  counters.add(ErrorCode::forbidden, kCopy);
  std::size_t series = 0;
  counters.for_each([&](ErrorCode, std::string_view, std::uint64_t) { ++series; });
  EXPECT_EQ(series, 2u);
  EXPECT_EQ(counts_of(counters), (Counts{{{ErrorCode::forbidden, kCopy}, 2}}));
}

TEST(RefusalCounters, IsBoundedAndLosesNoCount) {
  RefusalCounters counters;
  for (int round = 1; round <= 2; ++round) {
    for (std::size_t i = 0; i < 4 * kMaxRefusalSeries; ++i) counters.add(ErrorCode::forbidden, reason(i));
    auto counts = counts_of(counters);
    EXPECT_EQ(counts.size(), kMaxRefusalSeries);
    EXPECT_EQ(total(counts), static_cast<std::uint64_t>(round) * 4 * kMaxRefusalSeries);
    EXPECT_EQ((counts[{ErrorCode::forbidden, std::string(reason(kMaxRefusalSeries - 2))}]), std::uint64_t(round));
    EXPECT_EQ((counts[{ErrorCode::forbidden, std::string(kOtherRefusal)}]),
              static_cast<std::uint64_t>(round) * (3 * kMaxRefusalSeries + 1));
  }
}

// One worker counts, with ever more reasons, while scrapes read.
void count_and_read() {
  constexpr std::size_t kReasons = kMaxRefusalSeries / 2;
  constexpr std::uint64_t kRounds = 80;
  constexpr ErrorCode kCodes[] = {ErrorCode::forbidden, ErrorCode::invalid_token};
  RefusalCounters counters;
  std::atomic<bool> done{false};
  std::atomic<bool> odd{false};
  auto read = [&] {
    Counts before;
    while (!done.load(std::memory_order_relaxed)) {
      Counts now = counts_of(counters);
      for (const auto& [kind, count] : before) odd = odd || now[kind] < count;
      for (const auto& [kind, count] : now) odd = odd || count == 0 || !kind.second.starts_with("a_reason_");
      before = std::move(now);
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kReasons && i <= round; ++i) counters.add(kCodes[i % 2], reason(i));
  }
  done = true;
  for (auto& reader : readers) reader.join();
  ASSERT_FALSE(odd);
  Counts counts = counts_of(counters);
  ASSERT_EQ(counts.size(), kReasons);
  for (std::size_t i = 0; i < kReasons; ++i) {
    ASSERT_EQ((counts[{kCodes[i % 2], std::string(reason(i))}]), kRounds - i) << i;
  }
}

// Never half a series, never fewer than before, at the end all of them. Often, because a series begins only once.
TEST(RefusalCounters, AreReadWhileTheyCount) {
  for (int i = 0; i < 60; ++i) ASSERT_NO_FATAL_FAILURE(count_and_read());
}

// Whole scrapes beside workers that record: one line per code and reason, summed over the workers.
TEST(RefusalCounters, AreOneLineInTheExposition) {
  constexpr std::uint32_t kWorkers = 2;
  constexpr std::uint64_t kRequests = 5000;
  Metrics metrics(kWorkers);
  std::uint32_t slot = metrics.route_slot("models", "training");
  std::atomic<std::uint32_t> running{kWorkers};
  auto record_all = [&](std::uint32_t worker) {
    RequestRecord record;
    record.route_slot = slot;
    record.status = 403;
    for (std::uint64_t i = 0; i < kRequests; ++i) {
      record.code = i % 5 == 0 ? std::optional(ErrorCode::rate_limited) : ErrorCode::forbidden;
      record.reason = i % 5 == 0 ? "a limit's name" : "missing_permission";
      record.policy = i % 5 == 0 ? PolicyOutcome::none : i % 5 == 1 ? PolicyOutcome::would_deny : PolicyOutcome::deny;
      metrics.shard(worker).record(record);
    }
    --running;
  };
  std::vector<std::thread> workers;
  for (std::uint32_t i = 0; i < kWorkers; ++i) workers.emplace_back(record_all, i);
  std::string text;
  do {
    text.clear();
    write_prometheus(text, metrics, {});
  } while (running.load() > 0);
  for (auto& worker : workers) worker.join();
  text.clear();
  write_prometheus(text, metrics, {});
  auto contains = [&](std::string_view line) { return text.find("\n" + std::string(line) + "\n") != text.npos; };
  EXPECT_TRUE(contains(R"(lotagate_access_refusals_total{code="forbidden",reason="missing_permission"} 8000)"));
  EXPECT_FALSE(text.contains("a limit's name"));
  std::string decisions = R"(lotagate_policy_decisions_total{route="models",service="training",decision=)";
  EXPECT_TRUE(contains(decisions + R"("deny"} 6000)"));
  EXPECT_TRUE(contains(decisions + R"("would_deny"} 2000)"));
  EXPECT_FALSE(text.contains(decisions + R"("allow")"));
}

}  // namespace
}  // namespace lotagate::telemetry
