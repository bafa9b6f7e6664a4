#include "runtime/timer_wheel.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace lotagate {
namespace {

using std::chrono::hours;

struct Probe {
  Timer timer{[](Timer& t) { ++reinterpret_cast<Probe*>(&t)->fired; }};
  int fired = 0;
};

MonotonicTime at(nanoseconds since) { return MonotonicTime(hours(100)) + since; }

TEST(TimerWheel, FiresNeverEarlyAndAtMostOneTickLate) {
  TimerWheel wheel(at(seconds(0)));
  std::mt19937_64 random(7);
  std::deque<Probe> probes(500);
  std::vector<milliseconds> delays;
  for (auto& probe : probes) {
    delays.push_back(milliseconds(random() % 200000));
    wheel.arm(probe.timer, at(delays.back()));
  }
  for (milliseconds now(0); now < milliseconds(201000); now += milliseconds(5)) {
    wheel.advance(at(now));
    for (std::size_t i = 0; i < probes.size(); ++i) {
      if (now < delays[i]) ASSERT_EQ(probes[i].fired, 0) << "early by " << (delays[i] - now).count();
      if (now > delays[i] + milliseconds(17)) ASSERT_EQ(probes[i].fired, 1) << i;
    }
  }
}

TEST(TimerWheel, LaterDeadlineWinsWithoutRelinking) {
  TimerWheel wheel(at(seconds(0)));
  Probe probe;
  wheel.arm(probe.timer, at(seconds(1)));
  wheel.arm(probe.timer, at(seconds(5)));
  wheel.advance(at(seconds(4)));
  EXPECT_EQ(probe.fired, 0);
  wheel.advance(at(seconds(6)));
  EXPECT_EQ(probe.fired, 1);
}

TEST(TimerWheel, EarlierDeadlineMovesTheTimer) {
  TimerWheel wheel(at(seconds(0)));
  Probe probe;
  wheel.arm(probe.timer, at(seconds(50)));
  wheel.arm(probe.timer, at(seconds(1)));
  wheel.advance(at(seconds(2)));
  EXPECT_EQ(probe.fired, 1);
}

TEST(TimerWheel, DisarmedAndDestroyedTimersStaySilent) {
  TimerWheel wheel(at(seconds(0)));
  Probe probe;
  wheel.arm(probe.timer, at(seconds(1)));
  wheel.disarm(probe.timer);
  {
    Probe gone;
    wheel.arm(gone.timer, at(seconds(1)));
  }
  wheel.advance(at(seconds(100)));
  EXPECT_EQ(probe.fired, 0);
  EXPECT_EQ(wheel.next_due(), kNever);
}

TEST(TimerWheel, SurvivesALongStop) {
  TimerWheel wheel(at(seconds(0)));
  Probe near;
  Probe far;
  wheel.arm(near.timer, at(seconds(3)));
  wheel.arm(far.timer, at(hours(2)));
  wheel.advance(at(hours(1)));
  EXPECT_EQ(near.fired, 1);
  EXPECT_EQ(far.fired, 0);
  wheel.advance(at(hours(3)));
  wheel.advance(at(hours(3) + seconds(70)));
  EXPECT_EQ(far.fired, 1);
}

}  // namespace
}  // namespace lotagate
