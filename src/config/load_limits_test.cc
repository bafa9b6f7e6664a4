// What good rate limits and a good store become.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"
#include "config/test_load_errors.h"

namespace lotagate::config {
namespace {

using Kind = LimitKeyPart::Kind;

class LoadLimits : public LoadErrors {
 protected:
  Config load(std::string_view text) {
    auto config = load_config_text(text, folder_.path("gateway.yaml"));
    if (config) return *std::move(config);
    for (const ConfigError& error : config.error()) ADD_FAILURE() << to_string(error);
    return {};
  }

  // Limits in the place of the good file's one, `name: { ... }` a line.
  Config load_limits(std::string_view limits, std::string_view root = "") {
    return load(good({{"  per_user: { key: user, tokens: 100, refill: 50/s }\n", limits},
                      {"    limits: [ per_user ]\n", ""},
                      {"rate_limits:", std::string(root) + "rate_limits:"}}));
  }

  RateLimit limit(std::string_view text, std::string_view root = "") {
    Config config = load_limits("  a: { " + std::string(text) + " }\n", root);
    return config.rate_limits.empty() ? RateLimit{} : config.rate_limits[0];
  }

  LimitStore store(std::string_view text) {
    Config config = load_limits("  a: { rate: 1/s, shared: true }\n", "limit_store: " + std::string(text) + "\n");
    return config.limit_store.value_or(LimitStore{});
  }
};

void expect_size(const std::optional<BucketSize>& size, std::uint32_t tokens, double refill) {
  ASSERT_TRUE(size);
  EXPECT_EQ(size->tokens, tokens);
  EXPECT_DOUBLE_EQ(size->refill_per_second, refill);
}

TEST_F(LoadLimits, Defaults) {
  RateLimit plain = limit("tokens: 5, refill: 1/s");
  EXPECT_EQ(plain.name, "a");
  EXPECT_EQ(plain.key, std::vector{LimitKeyPart{}});
  EXPECT_EQ(plain.by.kind, LimitSelector::Kind::none);
  EXPECT_EQ(plain.stage, LimitStage::after_authentication);
  EXPECT_EQ(plain.cost.tokens, 1u);
  EXPECT_EQ(plain.cost.field, "");
  EXPECT_TRUE(plain.cases.empty() && plain.count.empty() && plain.exempt.addresses.empty());
  EXPECT_FALSE(plain.report_only || plain.legacy_headers || plain.show_keys || plain.shared);
  EXPECT_EQ(plain.on_store_failure, limit::StoreFailure::local);
  EXPECT_FALSE(load_limits("  a: { rate: 1/s }\n").limit_store);
}

TEST_F(LoadLimits, Sizes) {
  expect_size(limit("tokens: 1000000, refill: 2.5/min").size, 1000000, 2.5 / 60);
  expect_size(limit("rate: 1000/min").size, 1000, 1000.0 / 60);
  expect_size(limit("rate: 1/d").size, 1, 1.0 / 86400);
  expect_size(limit("rate: 1000000/s").size, 1000000, 1e6);
}

TEST_F(LoadLimits, Keys) {
  RateLimit combined = limit(
      "rate: 1/s, key: [ user, tenant, address, api_key, route, service, { header: X-Team, from: anyone }, { claim: "
      "org.id } ]");
  std::vector<LimitKeyPart> parts;
  for (Kind kind : {Kind::user, Kind::tenant, Kind::address, Kind::api_key, Kind::route, Kind::service}) {
    parts.push_back({.kind = kind});
  }
  parts.push_back({.kind = Kind::header, .name = "x-team", .from_anyone = true});
  parts.push_back({.kind = Kind::claim, .name = "org.id"});
  EXPECT_EQ(combined.key, parts);
  EXPECT_EQ(limit("rate: 1/s, key: [ route ]").key, std::vector{LimitKeyPart{.kind = Kind::route}});
  EXPECT_EQ(limit("rate: 1/s, key: { header: X-Team, from: trusted_proxies }").key,
            (std::vector{LimitKeyPart{.kind = Kind::header, .name = "x-team"}}));
}

TEST_F(LoadLimits, Cases) {
  RateLimit plans = limit(
      "key: tenant, by: plan, cases: { pro: 1000/min, free: { tokens: 100, refill: 1000/d }, internal: unlimited, "
      "tiny: { rate: 2/h }, \"*\": 100/d }");
  EXPECT_EQ(plans.by.kind, LimitSelector::Kind::plan);
  ASSERT_EQ(plans.cases.size(), 5u);
  const char* const names[] = {"pro", "free", "internal", "tiny", "*"};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(plans.cases[i].value, names[i]);
  expect_size(plans.cases[0].size, 1000, 1000.0 / 60);
  expect_size(plans.cases[1].size, 100, 1000.0 / 86400);
  EXPECT_FALSE(plans.cases[2].size);
  expect_size(plans.cases[3].size, 2, 2.0 / 3600);
  expect_size(plans.cases[4].size, 100, 100.0 / 86400);
  EXPECT_EQ(limit("by: role, cases: { \"*\": 1/s }").by.kind, LimitSelector::Kind::role);
  RateLimit claim = limit("by: { claim: org.tier }, cases: { \"gold, plus\": 5/s, '*': unlimited }");
  EXPECT_EQ(claim.by.kind, LimitSelector::Kind::claim);
  EXPECT_EQ(claim.by.claim, "org.tier");
  EXPECT_EQ(claim.cases[0].value, "gold, plus");
}

TEST_F(LoadLimits, Costs) {
  EXPECT_EQ(limit("rate: 5/s, cost: 5").cost.tokens, 5u);
  RateLimit settled = limit("tokens: 1000, refill: 10/s, cost: { field: X-Tokens-Used, reserve: 500, most: 20000 }");
  EXPECT_EQ(settled.cost.field, "x-tokens-used");
  EXPECT_EQ(settled.cost.tokens, 500u);
  EXPECT_EQ(settled.cost.most, 20000u);
  EXPECT_EQ(limit("rate: 9/s, cost: { field: X-Cost, most: 1 }").cost.tokens, 1u);
  RateLimit logins = limit("rate: 9/s, cost: 2, count: [ 403, 401, 599, 400 ]");
  EXPECT_EQ(logins.count, (std::vector<std::uint16_t>{400, 401, 403, 599}));
  EXPECT_EQ(logins.cost.tokens, 2u);
}

// A limit stands before authentication if everything it needs is known there.
TEST_F(LoadLimits, Stages) {
  auto is_early = [this](std::string_view text) {
    return limit("rate: 1/s, " + std::string(text)).stage == LimitStage::before_authentication;
  };
  EXPECT_TRUE(is_early("key: address"));
  EXPECT_TRUE(is_early("key: [ address, route, service, { header: X-A, from: trusted_proxies } ]"));
  EXPECT_TRUE(is_early("key: address, count: [ 401 ]"));
  EXPECT_TRUE(is_early("key: address, exempt: { addresses: [ 10.0.0.0/8 ] }"));
  EXPECT_TRUE(is_early("key: address, stage: before_authentication"));
  EXPECT_FALSE(is_early("key: address, stage: after_authentication"));
  EXPECT_FALSE(is_early("key: address, exempt: { users: [ monitor ] }"));
  for (const char* part : {"user", "tenant", "api_key", "{ claim: a }"}) {
    EXPECT_FALSE(is_early(std::string("key: [ address, ") + part + " ]")) << part;
  }
  EXPECT_FALSE(is_early("key: user, stage: after_authentication"));
  EXPECT_FALSE(limit("key: address, by: plan, cases: { '*': 1/s }").stage == LimitStage::before_authentication);
}

TEST_F(LoadLimits, Exemptions) {
  RateLimit open =
      limit("rate: 1/s, exempt: { addresses: [ 10.0.0.0/8, '::1' ], paths: [ /healthz, / ], users: [ monitor, a b ] }");
  ASSERT_EQ(open.exempt.addresses.size(), 2u);
  EXPECT_EQ(open.exempt.addresses[0], *parse_network("10.0.0.0/8"));
  EXPECT_EQ(open.exempt.paths, (std::vector<std::string>{"/healthz", "/"}));
  EXPECT_EQ(open.exempt.users, (std::vector<std::string>{"monitor", "a b"}));
}

TEST_F(LoadLimits, Flags) {
  RateLimit all = limit(
      "rate: 1/s, shared: true, on_store_failure: closed, legacy_headers: true, show_keys: true, report_only: true",
      "limit_store: redis://r\n");
  EXPECT_TRUE(all.shared && all.legacy_headers && all.show_keys && all.report_only);
  EXPECT_EQ(all.on_store_failure, limit::StoreFailure::closed);
  EXPECT_EQ(limit("rate: 1/s, shared: true, on_store_failure: open", "limit_store: redis://r\n").on_store_failure,
            limit::StoreFailure::open);
}

TEST_F(LoadLimits, TheStore) {
  LimitStore plain = store("redis://127.0.0.1:6380/3");
  EXPECT_EQ(plain, (LimitStore{.servers = {{"127.0.0.1", 6380}}, .user = "", .password = "", .database = 3}));
  folder_.write("redis.password", "two words\r\n");
  EXPECT_EQ(store("{ url: redis://Redis.Test, user: gate, password_file: redis.password, prefix: 'a:b_c-d.9', memory: "
                  "1MiB, timeout: 50ms }"),
            (LimitStore{.servers = {{"redis.test", 6379}},
                        .user = "gate",
                        .password = "two words",
                        .database = 0,
                        .prefix = "a:b_c-d.9",
                        .memory_bytes = 1024 * 1024,
                        .timeout = milliseconds(50)}));
  LimitStore cluster =
      store("{ url: [ redis://a:1, 'redis://u:p%40%2f@[::1]:2', redis://a:3/0, 'redis://u:p%40%2F@b' ] }");
  EXPECT_EQ(cluster.servers, (std::vector<LimitStore::Server>{{"a", 1}, {"::1", 2}, {"a", 3}, {"b", 6379}}));
  EXPECT_EQ(cluster.user, "u");
  EXPECT_EQ(cluster.password, "p@/");
}

TEST_F(LoadLimits, OfRoutes) {
  Config config =
      load(good({{"[ per_user ]", "[ { name: b, cost: 7 }, per_user, { name: a } ]"},
                 {"  per_user: {", "  a: { rate: 9/s, cost: 3 }\n  b: { rate: 9/s, cost: 3 }\n  per_user: {"}}));
  const auto& limits = config.routes.at(0).limits;
  ASSERT_EQ(limits.size(), 3u);
  EXPECT_EQ(limits[0].limit, 1u);
  EXPECT_EQ(limits[0].cost, 7u);
  EXPECT_EQ(limits[1].limit, 2u);
  EXPECT_EQ(limits[1].cost, std::nullopt);
  EXPECT_EQ(limits[2].limit, 0u);
  EXPECT_EQ(limits[2].cost, std::nullopt);
}

}  // namespace
}  // namespace lotagate::config
