// Whole workers, one scenario after another, on a network that does nothing bad by itself.
#include <gtest/gtest.h>

#include "gateway/simulation/world.h"

namespace lotagate::simulation {
namespace {

class SimulatedWorker : public testing::Test {
 protected:
  // Runs one client's plan to its end; its entries.
  const std::vector<Entry*>& run(World& world, ClientPlan plan) {
    Client& client = world.start_client(std::move(plan));
    EXPECT_TRUE(world.run_clients(seconds(120)));
    return client.entries();
  }
  void expect_all_well(World& world) {
    world.finish();
    EXPECT_EQ(world.violations(), std::vector<std::string>());
  }
};

RequestPlan get(std::string route, AnswerPlan answer = {}) { return {.route = std::move(route), .answer = answer}; }

RequestPlan post(BodyStyle style, std::size_t bytes, AnswerPlan answer = {}) {
  return {.method = "POST", .body = style, .body_bytes = bytes, .answer = answer};
}

TEST_F(SimulatedWorker, AnswersAGet) {
  World world({});
  auto& entries = run(world, {.requests = {get("/open")}});
  EXPECT_EQ(entries[0]->outcome, Outcome::whole);
  EXPECT_EQ(entries[0]->status, 200);
  EXPECT_EQ(entries[0]->departures, 1);
  expect_all_well(world);
}

TEST_F(SimulatedWorker, AnswersEveryFramingOfEitherSide) {
  World world({});
  ClientPlan plan;
  for (auto style : {AnswerStyle::length, AnswerStyle::chunked, AnswerStyle::until_close}) {
    for (std::size_t bytes : {0u, 1u, 10'000u, 300'000u}) {
      plan.requests.push_back(get("/open", {.style = style, .bytes = bytes}));
      plan.requests.push_back(post(BodyStyle::length, bytes, {.style = style, .bytes = bytes}));
      plan.requests.push_back(post(BodyStyle::chunked, bytes, {.style = style, .bytes = bytes}));
    }
  }
  for (Entry* entry : run(world, std::move(plan))) EXPECT_EQ(entry->status, 200) << entry->nonce << " " << entry->code;
  expect_all_well(world);
}

TEST_F(SimulatedWorker, AnswersPipelinedRequestsInOrder) {
  World world({});
  ClientPlan plan{.pipelined = true};
  for (int i = 0; i < 10; ++i) {
    plan.requests.push_back(get("/open"));
    plan.requests.push_back(post(BodyStyle::chunked, 3000));
  }
  for (Entry* entry : run(world, std::move(plan))) EXPECT_EQ(entry->status, 200);
  expect_all_well(world);
}

RequestPlan websocket(std::size_t bytes) {
  return {.route = "/ws", .body_bytes = bytes, .upgrade = true, .answer = {.status = 101, .bytes = bytes}};
}

TEST_F(SimulatedWorker, SwitchesToWebSocket) {
  World world({});
  for (Entry* entry : run(world, {.requests = {websocket(0), websocket(100), websocket(50'000)}})) {
    EXPECT_EQ(entry->outcome, Outcome::whole);
    EXPECT_EQ(entry->status, 101);
  }
  expect_all_well(world);
}

TEST_F(SimulatedWorker, AWebSocketHoldsNoConfigurationThatWasReplaced) {
  World world({});
  RequestPlan plan = websocket(50'000);
  plan.answer.fault = AnswerFault::slow;
  Client& client = world.start_client({.requests = {plan}});
  Entry* entry = client.entries()[0];
  EXPECT_TRUE(world.run_until([&] { return entry->served; }, seconds(10)));
  std::weak_ptr<const config::Snapshot> first = world.snapshot();
  world.reload([](config::Config& config) { config.routes.clear(); });
  EXPECT_TRUE(world.run_until([&] { return first.expired(); }, milliseconds(100)));
  EXPECT_FALSE(client.ended());
  EXPECT_TRUE(world.run_clients(seconds(60)));
  EXPECT_EQ(entry->outcome, Outcome::whole);
  EXPECT_EQ(entry->status, 101);
  expect_all_well(world);  // the log names its route
}

TEST_F(SimulatedWorker, AsksTheUserManagementServiceOnce) {
  World world({});
  std::string token = world.token("user-1");
  RequestPlan plan{.route = "/things", .token = token, .subject = "user-1"};
  for (Entry* entry : run(world, {.requests = {plan, plan, plan}})) EXPECT_EQ(entry->status, 200) << entry->code;
  EXPECT_EQ(world.users().answers(), 1u);
  expect_all_well(world);
}

TEST_F(SimulatedWorker, AsksAboutAnApiKeyAndItsOwnerOnce) {
  World world({});
  RequestPlan plan{.route = "/things", .api_key = api_key_of("user-1"), .subject = "user-1"};
  for (Entry* entry : run(world, {.requests = {plan, plan, plan}})) EXPECT_EQ(entry->status, 200) << entry->code;
  EXPECT_EQ(world.users().answers(), 2u);
  expect_all_well(world);
}

TEST_F(SimulatedWorker, RefusesWhoMayNotByApiKey) {
  World world({});
  auto refused = [](std::string_view subject) {
    return RequestPlan{.route = "/things", .api_key = api_key_of(subject), .must_not_arrive = true};
  };
  std::vector<std::string> codes;
  for (Entry* entry : run(world, {.requests = {refused("weak"), refused("disabled"), refused("nobody")}})) {
    codes.push_back(entry->code);
  }
  EXPECT_EQ(codes, (std::vector<std::string>{"forbidden", "forbidden", "invalid_token"}));
  expect_all_well(world);
}

TEST_F(SimulatedWorker, RefusesWhoMayNot) {
  World world({});
  auto refused = [](std::string route, std::string token) {
    return RequestPlan{.route = std::move(route), .token = std::move(token), .must_not_arrive = true};
  };
  auto& entries =
      run(world, {.requests = {refused("/things", ""), refused("/things", world.token("weak")),
                               refused("/things", world.token("disabled")), refused("/things", world.token("nobody")),
                               refused("/token", world.token("user-1", 1)),
                               refused("/token", world.token("user-1", 0, seconds(-60)))}});
  std::vector<std::string> codes;
  for (Entry* entry : entries) codes.push_back(entry->code);
  EXPECT_EQ(codes, (std::vector<std::string>{"missing_token", "forbidden", "forbidden", "forbidden", "invalid_token",
                                             "expired_token"}));
  expect_all_well(world);
}

TEST_F(SimulatedWorker, TokensOfAKeyThatWentAreRefusedThoughTheyWereCached) {
  World world({});
  RequestPlan old{.route = "/token", .token = world.token("user-1", 0), .subject = "user-1"};
  RequestPlan fresh{.route = "/token", .token = world.token("user-1", 1), .subject = "user-1"};
  EXPECT_EQ(run(world, {.requests = {old}})[0]->status, 200);
  world.use_keys(false, true);
  old.must_not_arrive = true;
  EXPECT_EQ(run(world, {.requests = {old}})[0]->code, "invalid_token");
  EXPECT_EQ(run(world, {.requests = {fresh}})[0]->status, 200);
  expect_all_well(world);
}

TEST_F(SimulatedWorker, AReloadChangesNothingForWhoIsUnderWay) {
  World world({});
  Client& client = world.start_client({.requests = {get("/open", {.bytes = 2000, .fault = AnswerFault::slow})}});
  Entry* entry = client.entries()[0];
  EXPECT_TRUE(world.run_until([&] { return entry->served; }, seconds(10)));
  for (int i = 0; i < 3; ++i) world.reload([](config::Config& config) { config.routes.clear(); });
  EXPECT_TRUE(world.run_clients(seconds(60)));
  EXPECT_EQ(entry->status, 200);
  EXPECT_EQ(run(world, {.requests = {get("/open")}})[0]->code, "route_not_found");
  expect_all_well(world);
}

TEST_F(SimulatedWorker, ADrainLetsAnswersEndWithinItsLimit) {
  World world({});
  Client& quick = world.start_client({.requests = {get("/open", {.bytes = 2000, .fault = AnswerFault::slow})}});
  Client& silent = world.start_client({.requests = {get("/lone", {.fault = AnswerFault::stall_before})}});
  EXPECT_TRUE(
      world.run_until([&] { return quick.entries()[0]->served && silent.entries()[0]->arrivals > 0; }, seconds(10)));
  world.finish(milliseconds(500));
  EXPECT_EQ(quick.entries()[0]->status, 200);
  EXPECT_EQ(silent.entries()[0]->code, "draining");
  EXPECT_EQ(world.violations(), std::vector<std::string>());
}

TEST_F(SimulatedWorker, LimitsPerAddress) {
  World world({});
  ClientPlan plan;
  for (int i = 0; i < 8; ++i) plan.requests.push_back(get("/limited"));
  int refused = 0;
  for (Entry* entry : run(world, std::move(plan))) refused += entry->code == "rate_limited" ? 1 : 0;
  EXPECT_EQ(refused, 3);
  expect_all_well(world);
}

// Of many at once two are at the service and three wait; those that find no room or wait too long are told so.
TEST_F(SimulatedWorker, AdmitsNoMoreThanPlacesAtOnce) {
  World world({});
  std::vector<Client*> clients;
  for (int i = 0; i < 8; ++i) {
    ClientPlan plan{.requests = {get("/crowded", {.bytes = 2000, .fault = AnswerFault::slow}), get("/crowded")}};
    plan.from = *parse_ip("192.0.2." + std::to_string(i + 1));
    clients.push_back(&world.start_client(std::move(plan)));
  }
  EXPECT_TRUE(world.run_clients(seconds(60)));
  int served = 0;
  int refused = 0;
  for (Client* client : clients) {
    for (Entry* entry : client->entries()) (entry->code == "overloaded" ? refused : served) += 1;
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(served, 5);
  EXPECT_EQ(world.most_in_flight("crowd"), 2);
  expect_all_well(world);
}

TEST_F(SimulatedWorker, ADrainCutsWhoWaitsForAPlace) {
  World world({});
  auto stalled = get("/crowded", {.fault = AnswerFault::stall_before});
  std::vector<Client*> clients;
  for (int i = 0; i < 3; ++i) {
    ClientPlan plan{.requests = {stalled}};
    plan.from = *parse_ip("192.0.2." + std::to_string(i + 1));
    clients.push_back(&world.start_client(std::move(plan)));
  }
  EXPECT_TRUE(world.run_until([&] { return world.waiting_for_places() == 1; }, seconds(10)));
  EXPECT_EQ(world.most_in_flight("crowd"), 2);
  world.finish(milliseconds(100));
  for (Client* client : clients) EXPECT_EQ(client->entries()[0]->code, "draining");
  EXPECT_EQ(world.violations(), std::vector<std::string>());
}

TEST_F(SimulatedWorker, RepeatsAGetWhoseKeptConnectionWasClosed) {
  World world({});
  auto& entries = run(world, {.requests = {get("/lone", {.fault = AnswerFault::close_after}), get("/lone")}});
  EXPECT_EQ(entries[1]->status, 200);
  expect_all_well(world);
}

// The window of a client that takes little may hold a part of a probe: nothing may follow it.
TEST_F(SimulatedWorker, NoAnswerFollowsHalfAProbe) {
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    World world({.network = {.seed = seed, .partial_send_permille = 1000}});
    run(world, {.requests = {get("/open", {.bytes = 3000, .fault = AnswerFault::slow})}, .half_close = true});
    expect_all_well(world);
  }
}

TEST_F(SimulatedWorker, AnswersEveryFaultOfAService) {
  World world({});
  ClientPlan plan;
  for (std::size_t fault = 0; fault < kAnswerFaults; ++fault) {
    for (auto style : {AnswerStyle::length, AnswerStyle::chunked, AnswerStyle::until_close}) {
      AnswerPlan answer{.style = style, .bytes = 5000, .fault = static_cast<AnswerFault>(fault)};
      plan.requests.push_back(get("/open", answer));
      plan.requests.push_back(post(BodyStyle::length, 5000, answer));
    }
  }
  run(world, std::move(plan));
  expect_all_well(world);
}

// For them the end of the connection ends the body: a cut has to be a reset, not an orderly end.
TEST_F(SimulatedWorker, CutsVisiblyForHttp10) {
  World world({});
  ClientPlan plan;
  for (auto fault :
       {AnswerFault::none, AnswerFault::reset_in_body, AnswerFault::close_in_body, AnswerFault::stall_in_body}) {
    RequestPlan request = get("/open", {.style = AnswerStyle::chunked, .bytes = 5000, .fault = fault});
    request.old_version = true;
    plan.requests.push_back(request);
  }
  auto& entries = run(world, std::move(plan));
  EXPECT_EQ(entries[0]->outcome, Outcome::whole);
  for (std::size_t i = 1; i < entries.size(); ++i) EXPECT_EQ(entries[i]->outcome, Outcome::cut) << i;
  expect_all_well(world);
}

TEST_F(SimulatedWorker, RefusesEveryFaultOfAClient) {
  World world({});
  ClientPlan plan;
  for (std::size_t fault = 1; fault < kRequestFaults; ++fault) {
    RequestPlan request{.fault = static_cast<RequestFault>(fault), .must_not_arrive = true};
    if (request.fault == RequestFault::bad_chunk) {
      request = post(BodyStyle::chunked, 100);
      request.fault = RequestFault::bad_chunk;
    }
    plan.requests.push_back(request);
  }
  for (Entry* entry : run(world, std::move(plan))) {
    EXPECT_EQ(entry->outcome, Outcome::whole) << static_cast<int>(entry->plan.fault);
    EXPECT_GE(entry->status, 400) << static_cast<int>(entry->plan.fault);
  }
  expect_all_well(world);
}

}  // namespace
}  // namespace lotagate::simulation
