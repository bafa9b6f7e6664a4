// Waiting times of control threads: random, so that many gateways do not knock at one service in step.
#pragma once

#include <algorithm>
#include <random>

#include "base/clock.h"

namespace lotagate {

// One thread's source of random waits.
class Jitter {
 public:
  Jitter() : engine_(std::random_device()()) {}

  // Between (1 - share) and all of `most`; `share` from 0 to 1.
  milliseconds shorten(milliseconds most, double share) {
    double factor = 1 - share * std::uniform_real_distribution<>()(engine_);
    return milliseconds(static_cast<milliseconds::rep>(static_cast<double>(most.count()) * factor));
  }

 private:
  std::minstd_rand engine_;
};

// Doubles from `first` to `last` with every failure; a wait is between half and all of it.
class Backoff {
 public:
  Backoff(milliseconds first, milliseconds last) : first_(first), last_(last), most_(first) {}

  milliseconds after_failure(Jitter& jitter) {
    auto wait = jitter.shorten(most_, 0.5);
    most_ = std::min(most_ * 2, last_);
    return wait;
  }
  void after_success() { most_ = first_; }

 private:
  milliseconds first_;
  milliseconds last_;
  milliseconds most_;
};

}  // namespace lotagate
