// The bound that lease.h derives, tried: gateways with random load on one bucket, in simulated time. The store is a
// model of the script here; lease_script_test.cc runs the script itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "limit/lease.h"

namespace lotagate::limit {
namespace {

constexpr std::uint64_t kStep = 500'000;  // half a millisecond
constexpr std::uint64_t kStart = 3600'000'000'000;

// lease_script.cc, in nanoseconds.
struct Store {
  LeaseAnswer run(const LeaseCall& call, std::uint64_t now_ns) {
    const BucketPolicy& bucket = call.policy->bucket;
    const double interval = static_cast<double>(bucket.interval_ns), window = static_cast<double>(bucket.window_ns);
    const bool alone = full_at_ns == call.seen;
    double missing = full_at_ns > now_ns ? static_cast<double>(full_at_ns - now_ns) : 0;
    if (call.charge > 0) missing = std::max(missing, std::min(missing + call.charge * interval, 2 * window));
    const double fee = alone && call.alone ? 0 : static_cast<double>(call.fee_us) * 1000;
    missing = std::max(missing - std::max(call.give_back * interval - fee, 0.0), 0.0);
    double grant = 0;
    if (call.want > 0) {
      const double there = bucket.burst - std::ceil(missing / interval);
      const double share = alone ? std::ceil(there / 2) : std::floor(there / call.gateways);
      grant = std::min<double>(call.want, std::max<double>(call.need, share));
      if (grant > there) grant = there >= call.need ? there : 0;
      missing += grant * interval;
    }
    full_at_ns = now_ns + static_cast<std::uint64_t>(missing);
    const double wait = std::max(missing + std::max(call.need, 1u) * interval - window, 0.0);
    return {.grant = static_cast<std::uint32_t>(grant),
            .wait_us = static_cast<std::uint64_t>(wait / 1000) + 1,
            .missing_us = static_cast<std::uint64_t>(missing / 1000) + 1,
            .full_at = full_at_ns,
            .alone = alone};
  }
  std::uint64_t full_at_ns = 0;
};

struct Gateway {
  struct Flight {
    LeaseCall call;
    std::uint64_t served_at_ns, back_at_ns;
    std::optional<LeaseAnswer> answer;
  };
  Lease lease{};
  double takes_per_step = 0;
  std::uint64_t load_until_ns = 0;
  std::uint64_t stalls_until_ns = 0;
  std::optional<Flight> flight;
};

struct Outcome {
  double excess = 0;  // admissions above the rate, in the worst span
  std::uint64_t admitted = 0, refused = 0;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, std::uint32_t gateways, std::uint32_t burst, double rate)
      : random_(seed), policy_{.name = "p", .bucket = make_bucket_policy(burst, rate).value()}, gateways_(gateways) {
    view_.gateways = gateways;
    for (Gateway& gateway : gateways_) gateway.lease.policy = &policy_;
  }

  Outcome run(std::uint64_t time_ns) {
    const double refill = static_cast<double>(kStep) / static_cast<double>(policy_.bucket.interval_ns);
    for (std::uint64_t now = kStart; now < kStart + time_ns; now += kStep) {
      level_ = std::max(level_ - refill, 0.0);
      if (outages && now >= store_changes_ns_) {
        view_.up = !view_.up;
        view_.connection += view_.up ? 1 : 0;
        store_changes_ns_ = now + static_cast<std::uint64_t>(uniform(3e9));
      }
      std::ranges::shuffle(gateways_, random_);
      for (Gateway& gateway : gateways_) step(gateway, now);
    }
    return run_;
  }

  bool outages = false;  // the store comes and goes, and answers get lost
  bool uneven = false;   // keepers that stall for up to seconds, requests of several tokens, some of them given back
  LeaseView view_{.up = true, .gateways = 1, .connection = 1, .life_ns = 400'000'000};

 private:
  double uniform(double most) { return std::uniform_real_distribution<double>(0, most)(random_); }

  void step(Gateway& gateway, std::uint64_t now) {
    if (now >= gateway.load_until_ns) {  // nothing, a trickle, about the rate, a flood
      const double rate = static_cast<double>(kStep) / static_cast<double>(policy_.bucket.interval_ns);
      const double choices[] = {0, 0, rate / 10, rate / 2, rate * 2, 20};
      gateway.takes_per_step = choices[static_cast<std::size_t>(uniform(5.999))];
      gateway.load_until_ns = now + static_cast<std::uint64_t>(uniform(1.5e9));
    }
    answer(gateway, now);
    for (double takes = gateway.takes_per_step; takes > 0; takes -= 1) {
      if (takes < 1 && uniform(1) > takes) break;
      const auto most = std::min(policy_.bucket.burst, 5u);
      const std::uint32_t cost = uneven ? 1 + static_cast<std::uint32_t>(uniform(most - 0.001)) : 1;
      if (!lease_take(gateway.lease, view_, now, cost).decision.allowed) {
        ++run_.refused;
        break;
      }
      ++run_.admitted;
      run_.excess = std::max(run_.excess, level_ += cost);
      if (uneven && uniform(10) < 1) {
        lease_settle(gateway.lease, view_, now, -1);
        level_ = std::max(level_ - 1, 0.0);
      }
    }
    if (uneven && now >= gateway.stalls_until_ns && uniform(2000) < 1) {
      gateway.stalls_until_ns = now + static_cast<std::uint64_t>(uniform(3e9));
    }
    if (now < gateway.stalls_until_ns) return;
    if (view_.up && !gateway.flight && lease_due_ns(gateway.lease, view_, now) <= now) {
      const std::uint64_t there = now + static_cast<std::uint64_t>(uniform(4e6));
      gateway.flight = {.call = lease_begin(gateway.lease, 1, view_, now, false),
                        .served_at_ns = there,
                        .back_at_ns = there + static_cast<std::uint64_t>(uniform(4e6)),
                        .answer = std::nullopt};
    }
  }

  void answer(Gateway& gateway, std::uint64_t now) {
    auto& flight = gateway.flight;
    if (!flight) return;
    if (!view_.up) {
      lease_failed(gateway.lease, flight->call, flight->answer.has_value(), false);
      flight.reset();
      return;
    }
    if (!flight->answer && now >= flight->served_at_ns) flight->answer = store_.run(flight->call, now);
    if (!flight->answer || now < flight->back_at_ns) return;
    lease_answered(gateway.lease, flight->call, *flight->answer, view_, now);
    flight.reset();
  }

  std::mt19937_64 random_;
  const SharedPolicy policy_;
  std::vector<Gateway> gateways_;
  Store store_;
  std::uint64_t store_changes_ns_ = 0;
  double level_ = 0;
  Outcome run_;
};

// The worst span of all runs, as a share of the bound.
double worst_of(std::uint64_t seeds, bool outages, bool uneven = false) {
  struct Case {
    std::uint32_t gateways, burst;
    double rate;
  };
  double worst = 0;
  for (const Case& wanted : {Case{4, 40, 100}, {4, 100, 10}, {2, 10, 50}, {7, 5, 20}, {4, 1000, 2000}, {3, 20, 0.01}}) {
    const std::uint32_t share = (wanted.burst + wanted.gateways - 1) / wanted.gateways;
    const double bound = wanted.burst + wanted.rate * 0.4 + (wanted.gateways - 1) * share + wanted.gateways;
    double worst_here = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      Simulation simulation(seed, wanted.gateways, wanted.burst, wanted.rate);
      simulation.outages = outages;
      simulation.uneven = uneven;
      worst_here = std::max(worst_here, simulation.run(20'000'000'000).excess / bound);
    }
    worst = std::max(worst, worst_here);
  }
  return worst;
}

TEST(LeaseBound, HoldsForRandomLoad) { EXPECT_LE(worst_of(15, false), 1.0); }

TEST(LeaseBound, HoldsForKeepersThatStallAndUnevenRequests) { EXPECT_LE(worst_of(15, false, true), 1.0); }

TEST(LeaseBound, HoldsThroughOutages) { EXPECT_LE(worst_of(15, true), 1.0); }

}  // namespace
}  // namespace lotagate::limit
