#include "limit/fields.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace lotagate::limit {
namespace {

BucketPolicy policy(std::uint32_t tokens, double rate) { return make_bucket_policy(tokens, rate).value(); }

std::string ratelimit(std::string_view name, const BucketDecision& decision) {
  std::array<char, kMaxLimitItem> out;
  http::HeadWriter writer(out.data(), out.size());
  write_ratelimit(writer, quote_policy_name(name), decision);
  EXPECT_FALSE(writer.overflowed());
  return std::string(writer.view());
}

std::string ratelimit_policy(std::string_view name, const BucketPolicy& policy) {
  std::array<char, kMaxLimitItem> out;
  return std::string(write_ratelimit_policy(out, quote_policy_name(name), policy));
}

std::string retry_after(nanoseconds after) {
  std::array<char, kMaxRetryAfter> out;
  return std::string(write_retry_after(out, after));
}

TEST(RateLimitField, SaysWhatIsLeftAndWhenItIsFull) {
  EXPECT_EQ(ratelimit("per_user", {.allowed = true, .remaining = 42, .reset = milliseconds(1160)}),
            R"("per_user";r=42;t=2)");
  EXPECT_EQ(ratelimit("p", {.allowed = true, .remaining = 0, .reset = seconds(2)}), R"("p";r=0;t=2)");
  EXPECT_EQ(ratelimit("p", {.allowed = true, .remaining = 5}), R"("p";r=5;t=0)");
}

TEST(RateLimitField, OfARefusalNeverOutlastsRetryAfter) {
  BucketDecision refused{.remaining = 0, .retry_after = milliseconds(20), .reset = seconds(2)};
  EXPECT_EQ(ratelimit("p", refused), R"("p";r=0;t=1)");
  EXPECT_EQ(retry_after(refused.retry_after), "1");
}

TEST(RateLimitPolicyField, SaysBurstAndWindow) {
  EXPECT_EQ(ratelimit_policy("per_user", policy(100, 50)), R"("per_user";q=100;w=2)");
  EXPECT_EQ(ratelimit_policy("p", policy(100, 30)), R"("p";q=100;w=4)");
  EXPECT_EQ(ratelimit_policy("p", policy(5, 1000)), R"("p";q=5;w=1)");
  EXPECT_EQ(ratelimit_policy("p", policy(10, 10.0 / 3600)), R"("p";q=10;w=3600)");
}

TEST(RateLimitField, EscapesAndCutsNames) {
  EXPECT_EQ(ratelimit("a\"b\\c", {}), R"("a\"b\\c";r=0;t=0)");
  EXPECT_EQ(ratelimit("\xC3\xA9\r\n\x7F", {}), R"("?????";r=0;t=0)");
  std::string longest(kMaxPolicyNameBytes + 50, '"');
  BucketDecision decision{.allowed = true, .remaining = UINT32_MAX, .reset = nanoseconds(INT64_MAX)};
  std::string field = ratelimit(longest, decision);
  EXPECT_EQ(field.size(), 2 + 2 * kMaxPolicyNameBytes + std::string(";r=4294967295;t=9223372037").size());
}

TEST(RateLimitField, WritesNothingIntoABufferThatIsTooSmall) {
  std::array<char, 18> out;
  EXPECT_EQ(write_ratelimit_policy(out, "\"per_use\"", policy(42, 42)).size(), out.size());
  EXPECT_EQ(write_ratelimit_policy(out, "\"per_user\"", policy(42, 42)), "");
  EXPECT_EQ(write_retry_after(std::span<char>(), seconds(1)), "");
  for (std::size_t room = 0; room < 19; ++room) {
    std::array<char, 19> head;
    http::HeadWriter writer(head.data(), room);
    write_ratelimit(writer, "\"per_user\"", {.allowed = true, .remaining = 42, .reset = seconds(2)});
    EXPECT_TRUE(writer.overflowed()) << room;
  }
}

TEST(RetryAfter, RoundsUpAndIsAtLeastOne) {
  EXPECT_EQ(retry_after(nanoseconds(0)), "1");
  EXPECT_EQ(retry_after(nanoseconds(-5)), "1");
  EXPECT_EQ(retry_after(seconds(1)), "1");
  EXPECT_EQ(retry_after(seconds(1) + nanoseconds(1)), "2");
  EXPECT_EQ(retry_after(nanoseconds(INT64_MAX)), "9223372037");
}

}  // namespace
}  // namespace lotagate::limit
