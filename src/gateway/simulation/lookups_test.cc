// Look-ups in a User Management Service that does not do its part, and the requests that wait for them.
#include <gtest/gtest.h>

#include "gateway/simulation/world.h"

namespace lotagate::simulation {
namespace {

constexpr milliseconds kTick{20};  // what timers may be late, and a turn or two

class SimulatedLookups : public testing::Test {
 protected:
  static std::uint64_t under_way(World& world) {
    return world.directory().stats().lookups_under_way + world.key_directory().stats().lookups_under_way;
  }
  // Starts a request that needs a look-up, and waits until that is under way.
  static Entry& begin(World& world, RequestPlan plan) {
    Client& client = world.start_client({.requests = {std::move(plan)}});
    EXPECT_TRUE(world.run_until([&] { return under_way(world) > 0; }, seconds(1)));
    return *client.entries()[0];
  }
  static RequestPlan by_token(World& world, const std::string& user = "user-1") {
    return {.route = "/things", .token = world.token(user), .must_not_arrive = true};
  }
  static RequestPlan by_api_key() {
    return {.route = "/things", .api_key = api_key_of("user-1"), .must_not_arrive = true};
  }
  static void pass(World& world, seconds time) {
    bool over = false;
    world.later(time, [&] { over = true; });
    EXPECT_TRUE(world.run_until([&] { return over; }, time + seconds(1)));
  }
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

TEST_F(SimulatedLookups, U01_EndInTimeHoweverSlowlyTheAnswerTrickles) {
  for (auto manner : {Manner::trickles_head, Manner::trickles_body}) {
    for (bool api_key : {false, true}) {
      World world({});
      world.users().set_manner(manner);
      Entry& entry = begin(world, api_key ? by_api_key() : by_token(world));
      auto longest = world.user_management().timeout + kTick;
      EXPECT_TRUE(world.run_until([&] { return under_way(world) == 0; }, longest));
      EXPECT_TRUE(world.run_clients(seconds(1)));
      EXPECT_EQ(entry.code, "authorization_unavailable");
      expect_all_well(world);
    }
  }
}

TEST_F(SimulatedLookups, U01_ARequestHasOneDeadlineForAllOfThem) {
  World world({});
  auto timeout = world.user_management().timeout;
  // Each look-up alone is in time, the API key's and its owner's together are not.
  world.users().set_delay(timeout * 6 / 10);
  Entry& entry = begin(world, by_api_key());
  auto begun = world.network().now();
  EXPECT_TRUE(world.run_clients(seconds(5)));
  EXPECT_EQ(entry.code, "authorization_unavailable");
  EXPECT_LE(world.network().now() - begun, timeout + kTick);
  EXPECT_TRUE(world.run_until([&] { return under_way(world) == 0; }, seconds(1)));  // it goes on for the next request
  Client& next =
      world.start_client({.requests = {{.route = "/things", .api_key = api_key_of("user-1"), .subject = "user-1"}}});
  EXPECT_TRUE(world.run_clients(seconds(5)));
  EXPECT_EQ(next.entries()[0]->status, 200) << next.entries()[0]->code;
  expect_all_well(world);
}

// Both workers have requests that wait for the same look-up, which one of them does.
TEST_F(SimulatedLookups, ADrainAnswersWhoWaitsAndEndsThem) {
  World world({.configure = [](config::Config& config) { config.user_management->timeout = seconds(60); }});
  world.users().set_delay(seconds(30));
  std::vector<Client*> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(&world.start_client({.requests = {by_token(world)}}));
  EXPECT_TRUE(world.run_until([&] { return world.directory().stats().wait == clients.size(); }, seconds(5)));
  EXPECT_EQ(under_way(world), 1u);
  world.finish(milliseconds(500));  // checks that it ends in time
  for (Client* client : clients) {
    EXPECT_EQ(client->entries()[0]->status, 503);
    EXPECT_EQ(client->entries()[0]->code, "draining");
  }
  EXPECT_EQ(world.violations(), std::vector<std::string>());
}

// Whoever is not known yet depends on the breaker's probe: one that never ended would lock them out for ever.
TEST_F(SimulatedLookups, U01_AProbeThatTricklesEndsToo) {
  World world({});
  world.users().set_manner(Manner::trickles_body);
  auto open = [&] { return world.breaker().stats().state == access::CircuitBreakerStats::State::open; };
  for (int i = 0; i < 20 && !open(); ++i) {
    Entry& entry = begin(world, by_token(world, "user-" + std::to_string(i)));
    EXPECT_TRUE(world.run_clients(seconds(30)));
    EXPECT_EQ(entry.code, "authorization_unavailable");
  }
  ASSERT_TRUE(open());
  pass(world, seconds(2));
  begin(world, by_token(world, "user-probe"));  // the probe
  EXPECT_TRUE(world.run_clients(seconds(30)));
  world.users().set_manner(Manner::whole);
  pass(world, seconds(12));
  Client& client =
      world.start_client({.requests = {{.route = "/things", .token = world.token("user-1"), .subject = "user-1"}}});
  EXPECT_TRUE(world.run_clients(seconds(30)));
  EXPECT_EQ(client.entries()[0]->status, 200) << client.entries()[0]->code;
  expect_all_well(world);
}

}  // namespace
}  // namespace lotagate::simulation
