// A life of a gateway drawn from a seed: the network's temper, clients, what services do to them, what operators do
// meanwhile, and the drain in the midst of it.
#pragma once

#include <cstdint>

#include "gateway/simulation/world.h"

namespace lotagate::simulation {

// The network of the seed.
SimulatedNetworkOptions random_network(std::uint64_t seed);

// Everything else: scripts it all into `world`, which then only has to run.
class RandomLife {
 public:
  RandomLife(World& world, std::uint64_t seed) : world_(world), random_(seed) {}
  void begin();

 private:
  void choose_weather();
  void choose_services();
  void choose_operations();
  void operate(nanoseconds when);
  void change_config();
  ClientPlan client();
  RequestPlan request();
  void choose_caller(RequestPlan& plan);
  AnswerPlan answer();
  nanoseconds moment(nanoseconds until);
  template <typename T, std::size_t N>
  T one_of(const T (&choices)[N]) {
    return choices[random_.below(N)];
  }

  World& world_;
  SeededRandom random_;
};

}  // namespace lotagate::simulation
