#include "access/token_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace lotagate::access {
namespace {

constexpr WallTime kNow{seconds(1000)};
constexpr std::size_t kMegabyte = 1024 * 1024;

PrincipalRef principal(std::string subject, std::uint32_t issuer_index = 0, WallTime expires = kNow + seconds(60)) {
  return PrincipalRef(Principal{
      .subject = std::move(subject), .issuer = "https://i", .expires = expires, .issuer_index = issuer_index});
}

// As tokens are: what differs from one to the next shows in the signature, and that is the end.
std::string token_of(int number, std::size_t payload_bytes = 480) {
  return "header." + std::string(payload_bytes, 'x') + ".signature" + std::to_string(number);
}

const std::vector<std::uint64_t> kVersions{1, 1};

TEST(TokenCache, FindsWhatWasStored) {
  TokenCache cache(kMegabyte);
  EXPECT_EQ(cache.find("t", kNow, kVersions), nullptr);
  cache.insert("t", principal("u"), 1);
  PrincipalRef found = cache.find("t", kNow, kVersions);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->subject, "u");
  EXPECT_EQ(cache.counters().hits, 1u);
  EXPECT_EQ(cache.counters().misses, 1u);
  EXPECT_EQ(cache.counters().entries, 1u);
}

TEST(TokenCache, StoringATokenAgainReplacesIt) {
  TokenCache cache(kMegabyte);
  cache.insert("t", principal("old"), 1);
  cache.insert("t", principal("new"), 2);
  EXPECT_EQ(cache.counters().entries, 1u);
  EXPECT_EQ(cache.find("t", kNow, std::vector<std::uint64_t>{2})->subject, "new");
}

TEST(Attack, J17_KeyIsTheWholeToken) {
  TokenCache cache(kMegabyte);
  std::string token = token_of(1);
  cache.insert(token, principal("u"), 1);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] ^= 1;
    EXPECT_EQ(cache.find(other, kNow, kVersions), nullptr) << i;
  }
  EXPECT_EQ(cache.find(token + "=", kNow, kVersions), nullptr);
  EXPECT_EQ(cache.find(token.substr(0, token.size() - 1), kNow, kVersions), nullptr);
}

TEST(Attack, J17_NoVerdictOutlivesItsToken) {
  TokenCache cache(kMegabyte);
  cache.insert("t", principal("u"), 1);
  EXPECT_NE(cache.find("t", kNow + seconds(59), kVersions), nullptr);
  EXPECT_EQ(cache.find("t", kNow + seconds(60), kVersions), nullptr);
  EXPECT_EQ(cache.counters().entries, 0u) << "a dead entry frees its memory";
  EXPECT_EQ(cache.find("t", kNow, kVersions), nullptr);
}

TEST(Attack, J17_NoVerdictOutlivesItsKeys) {
  TokenCache cache(kMegabyte);
  cache.insert("one", principal("u", 0), 1);
  cache.insert("two", principal("u", 1), 1);
  const std::vector<std::uint64_t> rotated{2, 1};
  EXPECT_EQ(cache.find("one", kNow, rotated), nullptr);
  EXPECT_NE(cache.find("two", kNow, rotated), nullptr) << "another issuer's verdicts stay";
}

TEST(TokenCache, MemoryIsBounded) {
  TokenCache cache(kMegabyte);
  std::uint64_t most = 0;
  for (int i = 0; i < 20000; ++i) {
    cache.insert(token_of(i), principal("user-" + std::to_string(i)), 1);
    most = std::max<std::uint64_t>(most, cache.counters().bytes);
  }
  EXPECT_LE(most, kMegabyte);
  EXPECT_GT(most, kMegabyte / 2) << "and used";
  EXPECT_EQ(cache.counters().entries + cache.counters().evictions, 20000u);
}

TEST(TokenCache, LargeTokensAreBoundedByBytesToo) {
  TokenCache cache(kMegabyte);
  for (int i = 0; i < 2000; ++i) cache.insert(token_of(i, 7500), principal("u"), 1);
  EXPECT_LE(cache.counters().bytes, kMegabyte);
  EXPECT_GT(cache.counters().entries, 50u);
}

TEST(TokenCache, WhatIsAskedForSurvivesAFloodOfNewTokens) {
  TokenCache cache(kMegabyte);
  cache.insert("busy", principal("u"), 1);
  for (int i = 0; i < 20000; ++i) {
    ASSERT_NE(cache.find("busy", kNow, kVersions), nullptr) << i;
    cache.insert(token_of(i), principal("u"), 1);
  }
}

TEST(TokenCache, SmallBoundsSwitchItOff) {
  for (std::size_t bytes : {0, 100, 8191}) {
    TokenCache cache(bytes);
    cache.insert("t", principal("u"), 1);
    EXPECT_EQ(cache.find("t", kNow, kVersions), nullptr);
    EXPECT_EQ(cache.counters().bytes, 0u);
  }
  TokenCache small(8192);
  small.insert("t" + std::string(9000, 'x'), principal("u"), 1);
  EXPECT_EQ(small.counters().entries, 0u) << "an entry larger than the bound is not stored";
}

}  // namespace
}  // namespace lotagate::access
