// Chance from a seed, the same on every machine and compiler: simulations and their scripts draw from it. SplitMix64
// (Steele, Lea, Flood 2014).
#pragma once

#include <cstdint>

namespace lotagate {

class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  // Below `bound`; 0 for 0.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  // Both ends included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  bool chance(unsigned permille) { return permille > 0 && below(1000) < permille; }

 private:
  std::uint64_t state_;
};

}  // namespace lotagate
