// Takes from leased buckets do not allocate. Not with ThreadSanitizer, which brings operators new of its own.
#include <gtest/gtest.h>

#include <atomic>

#include "limit/shared_buckets.h"
#include "limit/test_redis.h"

#if !__has_feature(thread_sanitizer)
#include "base/test_allocations.h"

namespace lotagate::limit {
namespace {

// While the store is away nothing but takes goes on: the keeper, which may allocate, waits for its next probe.
TEST(SharedBucketsAllocations, TakesAndSettlingHaveNone) {
  StoreSettings settings;
  settings.servers = {{.host = "127.0.0.1", .port = testing::free_port()}};
  settings.probe_every = std::chrono::hours(1);
  std::atomic<bool> away{false};
  SharedBuckets buckets(settings, {.log = [&](bool warning, std::string_view) { away = warning; }});
  const SharedPolicy& policy =
      buckets.policy({.name = "per_user", .bucket = make_bucket_policy(10, 1.0 / 3600).value()});
  ASSERT_TRUE(testing::eventually([&] { return away.load(); }));
  std::uint32_t count = 0;
  test_allocations::allocations = 0;
  test_allocations::counting = true;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t key = (i % 50 + 1) * 0x9E3779B97F4A7C15;
    const MonotonicTime now = std::chrono::steady_clock::now();
    count += buckets.take(key, "somebody", policy, now).decision.allowed ? 1 : 0;
    buckets.settle(key, policy, now, i % 2 == 0 ? 1 : -1);
  }
  test_allocations::counting = false;
  EXPECT_EQ(test_allocations::allocations.load(), 0u);
  EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace lotagate::limit
#endif
