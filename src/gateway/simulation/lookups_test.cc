// Look-ups in a User Management Service that does not do its part, and the requests that wait for them.
#include <gtest/gtest.h>

#include "gateway/simulation/world.h"

namespace lotagate::simulation {
namespace {

class SimulatedLookups : public testing::Test {
 protected:
  static void expect_all_well(World& world) {
    world.finish();
    EXPECT_EQ(world.violations(), std::vector<std::string>());
  }
};

TEST_F(SimulatedLookups, NameAServiceWithAnAddressOfVersion6AsItIs) {
  World world({.configure = [](config::Config& config) { config.user_management->url.host = "fd00::3"; }});
  Client& client =
      world.start_client({.requests = {{.route = "/things", .token = world.token("user-1"), .subject = "user-1"}}});
  EXPECT_TRUE(world.run_clients(seconds(5)));
  EXPECT_EQ(client.entries()[0]->status, 200) << client.entries()[0]->code;
  expect_all_well(world);  // the service checks its Host field
}

}  // namespace
}  // namespace lotagate::simulation
