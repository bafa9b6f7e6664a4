#include "gateway/connection_caps.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace lotagate {
namespace {

using Verdict = ConnectionCaps::Verdict;

IpAddress ip(std::string_view text) { return *parse_ip(text); }

TEST(ConnectionCaps, TheProcessTakesNoMoreThanItsLimitAndItsDescriptors) {
  ConnectionCaps caps(3);
  ConnectionCaps::Limits limits{.process = 2, .listener = {}, .address = {}};
  EXPECT_EQ(caps.enter(ip("192.0.2.1"), 0, limits), Verdict::admitted);
  EXPECT_EQ(caps.enter(ip("192.0.2.1"), 0, limits), Verdict::admitted);
  EXPECT_EQ(caps.enter(ip("192.0.2.2"), 1, limits), Verdict::process_full);
  limits.process = 100;
  EXPECT_EQ(caps.enter(ip("192.0.2.2"), 1, limits), Verdict::admitted);
  EXPECT_EQ(caps.enter(ip("192.0.2.2"), 1, limits), Verdict::process_full) << "the capacity is 3";
  caps.leave(ip("192.0.2.1"), 0, false);
  EXPECT_EQ(caps.open(), 2u);
  EXPECT_EQ(caps.enter(ip("192.0.2.2"), 1, limits), Verdict::admitted);
}

TEST(ConnectionCaps, AListenersAndAnAddressLimitRefuseNobodyElse) {
  ConnectionCaps caps(100);
  ConnectionCaps::Limits limits{.process = 100, .listener = 3, .address = 2};
  EXPECT_EQ(caps.enter(ip("192.0.2.1"), 0, limits), Verdict::admitted);
  EXPECT_EQ(caps.enter(ip("192.0.2.1"), 0, limits), Verdict::admitted);
  EXPECT_EQ(caps.enter(ip("192.0.2.1"), 0, limits), Verdict::address_full);
  EXPECT_EQ(caps.enter(ip("192.0.2.2"), 0, limits), Verdict::admitted) << "what was refused counts nowhere";
  EXPECT_EQ(caps.enter(ip("192.0.2.3"), 0, limits), Verdict::listener_full);
  EXPECT_EQ(caps.enter(ip("192.0.2.3"), 1, limits), Verdict::admitted);
  EXPECT_EQ(caps.open(), 4u);
  caps.leave(ip("192.0.2.1"), 0, true);
  EXPECT_EQ(caps.enter(ip("192.0.2.1"), 0, limits), Verdict::admitted);
}

TEST(ConnectionCaps, IPv6IsCountedByItsNetwork) {
  ConnectionCaps caps(100);
  ConnectionCaps::Limits limits{.process = 100, .listener = {}, .address = 1};
  EXPECT_EQ(caps.enter(ip("2001:db8:0:1::1"), 0, limits), Verdict::admitted);
  EXPECT_EQ(caps.enter(ip("2001:db8:0:1:ffff::2"), 0, limits), Verdict::address_full);
  EXPECT_EQ(caps.enter(ip("2001:db8:0:2::1"), 0, limits), Verdict::admitted);
  caps.leave(ip("2001:db8:0:1::1"), 0, true);
  EXPECT_EQ(caps.enter(ip("2001:db8:0:1:ffff::2"), 0, limits), Verdict::admitted);
}

TEST(ConnectionCaps, ThreadsNeverExceedALimitAndLeaveNothingBehind) {
  ConnectionCaps caps(1000);
  ConnectionCaps::Limits limits{.process = 1000, .listener = {}, .address = 3};
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        if (caps.enter(ip("192.0.2.1"), 0, limits) != Verdict::admitted) continue;
        int now = ++inside;
        int seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --inside;
        caps.leave(ip("192.0.2.1"), 0, true);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(caps.open(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(caps.enter(ip("192.0.2.1"), 0, limits), Verdict::admitted);
}

}  // namespace
}  // namespace lotagate
