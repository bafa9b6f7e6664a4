// Concurrency limits as the file says them, and what is wrong with them.
#include <gtest/gtest.h>

#include "config/snapshot.h"
#include "config/test_load_errors.h"

namespace lotagate::config {
namespace {

class Concurrency : public LoadErrors {
 protected:
  static constexpr std::string_view kRoutes = "routes:\n";
  static constexpr std::string_view kRouteLimits = "limits: [ per_user ]\n";

  // One limit `gpu`, on line 21 at column 8, and what the first route, on line 25, says in line 27 at column 5.
  Messages both(std::string_view limit, std::string_view route) {
    std::string section = "concurrency_limits:\n  gpu: " + std::string(limit) + "\nroutes:\n";
    std::string use = std::string(kRouteLimits) + "    " + std::string(route) + "\n";
    return errors({{kRoutes, section}, {kRouteLimits, use}});
  }
  Messages limit(std::string_view text) { return both(text, "concurrency: [ gpu ]"); }
  Messages route(std::string_view text) { return both("{ requests: 1 }", text); }
};

TEST_F(Concurrency, IsRead) {
  auto config = load_config_text(good({{kRoutes,
                                        "concurrency_limits:\n"
                                        "  gpu: { key: service, requests: 8, queue: { requests: 64, wait: 1500ms } }\n"
                                        "  mine: { key: [ user, route ], requests: 2, report_only: true }\n"
                                        "  plain: { requests: 1000000, queue: { requests: 1 } }\n"
                                        "routes:\n"},
                                       {kRouteLimits, "concurrency: [ mine, gpu ]\n    priority: high\n"}}),
                                 folder_.path("gateway.yaml"));
  ASSERT_TRUE(config) << to_string(config.error()[0]);
  ASSERT_EQ(config->concurrency_limits.size(), 3u);
  const ConcurrencyLimit& gpu = config->concurrency_limits[0];
  EXPECT_EQ(gpu.name, "gpu");
  EXPECT_EQ(gpu.key, std::vector{LimitKeyPart{.kind = LimitKeyPart::Kind::service}});
  EXPECT_EQ(gpu.requests, 8u);
  EXPECT_EQ(gpu.queue, 64u);
  EXPECT_EQ(gpu.wait, milliseconds(1500));
  EXPECT_FALSE(gpu.report_only);
  const ConcurrencyLimit& mine = config->concurrency_limits[1];
  EXPECT_EQ(mine.key.size(), 2u);
  EXPECT_EQ(mine.queue, 0u);
  EXPECT_TRUE(mine.report_only);
  const ConcurrencyLimit& plain = config->concurrency_limits[2];
  EXPECT_EQ(plain.key, std::vector{LimitKeyPart{}});
  EXPECT_EQ(plain.wait, seconds(10));
  EXPECT_EQ(config->routes[0].concurrency, (std::vector<std::size_t>{1, 0}));
  EXPECT_EQ(config->routes[0].priority, limit::Priority::high);
  EXPECT_TRUE(config->routes[1].concurrency.empty());
  EXPECT_EQ(config->routes[1].priority, limit::Priority::normal);
}

std::vector<std::string> names_of(const CompiledRoute& route) {
  std::vector<std::string> names;
  for (const CompiledConcurrency* limit : route.concurrency) names.push_back(limit->rule.name);
  return names;
}

TEST_F(Concurrency, PlacesOfCallersAreTakenBeforeThoseOfAllAndInOneOrderEverywhere) {
  auto config = load_config_text(
      good({{kRoutes,
             "concurrency_limits:\n"
             "  gpu: { key: [ service, route ], requests: 8 }\n"
             "  user: { requests: 2 }\n"
             "  all: { key: service, requests: 9 }\n"
             "  team: { key: [ service, { claim: team } ], requests: 3 }\n"
             "routes:\n"},
            {kRouteLimits, "concurrency: [ all, team, gpu, user ]\n"},
            {"service: users, public: true", "service: users, public: true, concurrency: [ user, team, gpu, all ]"}}),
      folder_.path("gateway.yaml"));
  ASSERT_TRUE(config) << to_string(config.error()[0]);
  EXPECT_EQ(limit_claims(*config), std::vector<std::string>{"team"});
  CompileHooks hooks{
      .resolve = [](const Url&) { return std::vector<SocketAddress>(); },
      .metrics_slot = [](const std::string&, const std::string&) { return 0u; },
      .bucket_kind = [](const std::string&, const std::string&) { return std::uint16_t{0}; },
      .shared_policy = {},
      .concurrency_limit = {},
      .health = [](const SocketAddress&) { return std::make_shared<upstream::EndpointHealth>(); },
  };
  auto snapshot = compile(*config, hooks, nullptr);
  std::vector<std::string> order{"user", "team", "gpu", "all"};
  EXPECT_EQ(names_of(snapshot->routes[0]), order);
  EXPECT_EQ(names_of(snapshot->routes[1]), order);
}

TEST_F(Concurrency, LimitsThatCannotBe) {
  EXPECT_EQ(limit("{ requests: 1 }"), Messages{});
  EXPECT_EQ(limit("{ key: user }"), Messages{"21:8 missing required key `requests`"});
  EXPECT_EQ(limit("{ requests: 0 }"), Messages{"21:20 0 is out of range: 1 to 1000000"});
  EXPECT_EQ(limit("{ requests: 1000001 }"), Messages{"21:20 1000001 is out of range: 1 to 1000000"});
  EXPECT_EQ(limit("{ requests: 1, queue: 5 }"), Messages{"21:30 expected a map with requests, wait, found `5`"});
  EXPECT_EQ(limit("{ requests: 1, queue: { wait: 1s } }"), Messages{"21:30 missing required key `requests`"});
  EXPECT_EQ(limit("{ requests: 1, queue: { requests: 0 } }"), Messages{"21:42 0 is out of range: 1 to 100000"});
  EXPECT_EQ(limit("{ requests: 1, queue: { requests: 1, wait: 0 } }"),
            Messages{"21:51 `0` is out of range: 1ms to 1h"});
  EXPECT_EQ(limit("{ requests: 1, queue: { requests: 1, wait: 2h } }"),
            Messages{"21:51 `2h` is out of range: 1ms to 1h"});
  EXPECT_EQ(limit("{ requests: 1, queu: { requests: 1 } }"),
            Messages{"21:23 unknown key `queu`; did you mean `queue`?"});
  EXPECT_EQ(limit("{ requests: 1, key: servic }").size(), 1u);
  EXPECT_EQ(limit("{ requests: 1, key: { header: Authorization } }").size(), 1u);
}

TEST_F(Concurrency, RoutesThatCannotBe) {
  EXPECT_EQ(route("concurrency: [ gpus ]"), Messages{"27:20 unknown concurrency limit `gpus`; did you mean `gpu`?"});
  EXPECT_EQ(route("concurrency: [ gpu, gpu ]").size(), 1u);
  EXPECT_EQ(route("concurrency: gpu").size(), 1u);
  EXPECT_EQ(route("priority: high"),
            Messages{"27:5 `priority` says who waits first under the limits of `concurrency`, and there are none"});
  EXPECT_EQ(route("{}").size(), 1u);
  EXPECT_EQ(errors({{kRouteLimits, "concurrency: [ per_user ]\n"}}),
            Messages{"24:20 unknown concurrency limit `per_user`"});
}

TEST_F(Concurrency, AHeaderThatClientsCanForgeIsWarnedOf) {
  EXPECT_EQ(
      warnings({{kRoutes, "concurrency_limits:\n  a: { key: { header: X-Team }, requests: 1 }\nroutes:\n"}}).size(),
      1u);
}

}  // namespace
}  // namespace lotagate::config
