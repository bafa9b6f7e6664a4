// Every operation of a scenario fails once: the first of one run, the second of the next, until a run gets through
// without a failure. After each run the world must be in order, and the gateway must still work.
#include <gtest/gtest.h>

#include "gateway/simulation/world.h"

namespace lotagate::simulation {
namespace {

struct Scenario {
  std::string name;
  std::function<void(World&)> start;  // its clients
};

RequestPlan get(std::string route, AnswerPlan answer = {}) { return {.route = std::move(route), .answer = answer}; }

RequestPlan post(BodyStyle style, std::size_t bytes, AnswerPlan answer = {}) {
  return {.method = "POST", .body = style, .body_bytes = bytes, .answer = answer};
}

RequestPlan things(World& world, std::string method, const std::string& user) {
  return {.method = std::move(method), .route = "/things", .token = world.token(user), .subject = user};
}

std::vector<Scenario> scenarios() {
  constexpr std::size_t kMegabyte = std::size_t{1} << 20;
  return {
      {"Get", [](World& world) { world.start_client({.requests = {get("/open"), get("/open")}}); }},
      {"PostWithLength",
       [](World& world) { world.start_client({.requests = {post(BodyStyle::length, 100'000), get("/open")}}); }},
      {"PostInChunks",
       [](World& world) { world.start_client({.requests = {post(BodyStyle::chunked, 100'000), get("/open")}}); }},
      {"SmallPost", [](World& world) { world.start_client({.requests = {post(BodyStyle::length, 100)}}); }},
      {"ExpectContinue",
       [](World& world) {
         RequestPlan request = post(BodyStyle::length, 20'000);
         request.expect_continue = true;
         world.start_client({.requests = {request}, .piece_bytes = 7'000});
       }},
      {"RoleLookUp",
       [](World& world) {
         for (int i = 0; i < 3; ++i) {  // on both workers: some wait for the look-up of another
           world.start_client({.requests = {things(world, "GET", "user-1"), things(world, "DELETE", "user-1")}});
         }
       }},
      {"MegabyteAnswer",
       [](World& world) { world.start_client({.requests = {get("/open", {.bytes = kMegabyte}), get("/open")}}); }},
      {"ChunkedAnswer",
       [](World& world) {
         world.start_client({.requests = {get("/open", {.style = AnswerStyle::chunked, .bytes = 100'000})}});
       }},
      {"AnswerUntilClose",
       [](World& world) {
         world.start_client({.requests = {get("/open", {.style = AnswerStyle::until_close, .bytes = 50'000})}});
       }},
      {"TransformedErrors",
       [](World& world) {
         world.start_client({.requests = {get("/open", {.status = 404}), get("/open", {.status = 500, .bytes = 20'000}),
                                          get("/pass", {.status = 404})}});
       }},
      {"StaleConnection",
       [](World& world) {
         world.start_client(
             {.requests = {get("/lone", {.fault = AnswerFault::close_after}), get("/lone"), get("/lone")},
              .between = milliseconds(2)});
       }},
      {"Retry",
       [](World& world) {
         AnswerPlan answer{.fault = AnswerFault::reset_before, .only_first_time = true};
         world.start_client({.requests = {get("/open", answer), get("/open", answer)}});
       }},
      {"Pipeline",
       [](World& world) {
         world.start_client(
             {.requests = {get("/open"), post(BodyStyle::chunked, 3000), get("/open")}, .pipelined = true});
       }},
      {"EarlyAnswer",
       [](World& world) {
         AnswerPlan answer{.fault = AnswerFault::early};
         world.start_client({.requests = {post(BodyStyle::length, 200'000, answer), get("/open")}});
       }},
      {"HalfClosedClient",
       [](World& world) {
         world.start_client(
             {.requests = {get("/open", {.bytes = 5000, .fault = AnswerFault::slow})}, .half_close = true});
       }},
      {"Refusals",
       [](World& world) {
         RequestPlan bad{.fault = RequestFault::folded_field, .must_not_arrive = true};
         RequestPlan none{.route = "/token", .must_not_arrive = true};
         world.start_client({.requests = {none, get("/nowhere"), bad}});
       }},
      {"WebSocket",
       [](World& world) {
         world.start_client({.requests = {{.route = "/ws",
                                           .body_bytes = 50'000,
                                           .upgrade = true,
                                           .answer = {.status = 101, .bytes = 50'000}}}});
       }},
      {"Interim",
       [](World& world) { world.start_client({.requests = {get("/open", {.fault = AnswerFault::interim})}}); }},
  };
}

class FailEach : public testing::TestWithParam<std::tuple<std::size_t, SimulatedFailure>> {};

// One run; true if the `nth` operation of it did happen, and failed.
bool run(const Scenario& scenario, std::uint64_t nth, SimulatedFailure how) {
  World world({.network = {.seed = nth}});
  world.network().fail_operation(nth, how);
  if (how == SimulatedFailure::broken) world.ledger().expect_early_ends();
  world.ledger().expect_unanswered();
  scenario.start(world);
  EXPECT_TRUE(world.run_clients(seconds(300)));
  bool failed = world.network().operations() >= nth;
  world.network().fail_operation(0, how);
  Client& probe = world.start_client({.requests = {get("/open"), get("/open")}});
  EXPECT_TRUE(world.run_clients(seconds(300)));
  for (Entry* entry : probe.entries()) {
    // A connection that stalled behind its last answer is found out by the next request only.
    bool may_wait = how == SimulatedFailure::stalled && entry->status == 504;
    EXPECT_TRUE(entry->status == 200 || may_wait) << "afterwards: " << entry->status << " " << entry->code;
  }
  world.finish();
  EXPECT_EQ(world.violations(), std::vector<std::string>());
  return failed;
}

TEST_P(FailEach, LeavesTheWorldInOrder) {
  auto [index, how] = GetParam();
  Scenario scenario = scenarios()[index];
  std::uint64_t nth = 1;
  while (run(scenario, nth, how)) {
    ASSERT_FALSE(HasFailure()) << "operation " << nth << " of " << scenario.name;
    ++nth;
  }
  EXPECT_GT(nth, 5u);
  RecordProperty("operations", static_cast<int>(nth - 1));
}

std::string name_of(const testing::TestParamInfo<FailEach::ParamType>& info) {
  constexpr std::array<std::string_view, kSimulatedFailures> kNames{"Reset", "Broken", "Stalled"};
  return scenarios()[std::get<0>(info.param)].name +
         std::string(kNames[static_cast<std::size_t>(std::get<1>(info.param))]);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FailEach,
                         testing::Combine(testing::Range(std::size_t{0}, scenarios().size()),
                                          testing::Values(SimulatedFailure::reset, SimulatedFailure::broken,
                                                          SimulatedFailure::stalled)),
                         name_of);

}  // namespace
}  // namespace lotagate::simulation
