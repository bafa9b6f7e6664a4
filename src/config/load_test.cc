// What a good file becomes.
#include "config/load.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "config/test_folder.h"

namespace lotagate::config {
namespace {

using namespace std::chrono_literals;

// Every key that exists, none at its default.
constexpr std::string_view kFull = R"(listeners:
  - address: 0.0.0.0:8080
    trusted_proxies: [ 10.0.0.0/8, "fd00::/8", 192.0.2.7 ]
  - { address: "[::1]:0", connections: 20 }
admin: { address: 127.0.0.1:9901 }
workers: 3
timeouts: { header: 1s, body_progress: 2s, body_grace: 6s, write_progress: 3s, client_idle: 4m, upstream_idle: 5m, drain: 0 }
limits: { head: 16KiB, fields: 50, target: 2KiB, token: 3KiB, body: 1GiB, body_rate: 1KiB, connections: 500, connections_per_address: 50 }
services:
  users:
    endpoints: [ "http://127.0.0.1:7001", "http://Users.Internal", "http://[::1]:7001" ]
    timeouts: { connect: 1s, first_byte: 1m, between_bytes: 1h, upgrade_idle: 2h }
  training: { endpoints: [ "http://127.0.0.1:7002" ] }
authentication:
  clock_skew: 10s
  token_cache: 1MiB
  issuers:
    - issuer: https://issuer.example
      audiences: [ one, two ]
      algorithms: [ EdDSA, RS256 ]
      jwks: { url: "https://issuer.example/jwks?x=1", refresh: 1m, max_stale: 2h }
      subject_prefix: ""
      typ: Application/at+jwt
      required_claims: [ sid, realm_access.roles ]
      tenant_claim: org.id
      roles_claim: realm_access.roles
      permissions_claim: https://x.example/permissions
      scopes_claim: scp
      claims_to_headers: { email: X-Auth-Email, "https://x.example/groups": x-user-groups }
    - issuer: https://other.example
      algorithms: [ ES256 ]
      jwks: { file: keys/other.json }
      subject_prefix: "other|"
      user_management: false
    - issuer: https://shared.example
      audiences: [ one ]
      algorithms: [ HS256, HS384 ]
      secret_file: shared.secret
      subject_prefix: "shared:"
    - issuer: https://tenant.example/realm/
      algorithms: [ RS256 ]
      jwks: { discovery: true, cooldown: 90s }
      subject_prefix: "t:"
    - issuer: anything
      algorithms: [ RS256 ]
      jwks: { discovery: "http://127.0.0.1:9/x/.well-known/openid-configuration" }
      subject_prefix: "a:"
  api_keys: { header: Api-Key }
authorization:
  roles: { trainer: [ models:write, "gpu:*" ] }
  user_management:
    url: "http://127.0.0.1:7001"
    token_file: service.token
    fresh_for: 1s
    stale_for: 2m
    timeout: 500ms
    max_users: 10
    memory: 8MiB
rate_limits:
  per_user: { key: user, tokens: 100, refill: 50/s }
  per_address: { key: address, tokens: 7, refill: 30/min, report_only: true }
rate_limit_table: { memory: 1MiB }
routes:
  - name: create users
    path: /api/v1/users
    host: API.Example
    methods: [ POST, PUT ]
    headers: { X-Version: 2, accept: text/html }
    service: training
    require: { POST: [ users:write, users:create ], "*": users:admin }
    limits: [ per_address, per_user ]
    max_body: 0
    errors: passthrough
    forward_token: true
  - { path: /api/v1/users, service: users, require: users:read, upgrade: [ websocket ] }
  - { path: /api/v1/users, methods: [ OPTIONS ], service: users, public: true }
  - path: /api/v1/users/{subject}/keys
    service: users
    issuers: [ https://shared.example, https://issuer.example ]
    api_keys: true
    report_only: true
    require:
      GET: { owner_or: users:read }
      "*": { all: keys:write, any: [ users:write, users:admin ], roles: admin, scopes: [ a, b ], owner_or: users:admin }
access_log: { file: logs/access.log, buffer: 64KiB }
)";

std::string first_error(const std::expected<Config, std::vector<ConfigError>>& config) {
  return config ? "" : to_string(config.error()[0]);
}

class Load : public testing::Test {
 protected:
  Load() {
    folder_.write("service.token", "  secret-token\r\n");
    folder_.write("keys/other.json", kTestKeySet);
    folder_.write("shared.secret", std::string(48, 's') + "\r\n");
    folder_.write("gateway.yaml", kFull);
  }

  Config load() {
    auto config = load_config(folder_.path("gateway.yaml"));
    EXPECT_TRUE(config) << first_error(config);
    return config ? *std::move(config) : Config{};
  }

  TestFolder folder_;
};

TEST_F(Load, TheProcess) {
  Config config = load();
  EXPECT_EQ(config.file, folder_.path("gateway.yaml"));
  EXPECT_EQ(config.content_hash, hash_bytes(kFull));
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(to_string(config.listeners[0].address), "0.0.0.0:8080");
  ASSERT_EQ(config.listeners[0].trusted_proxies.size(), 3u);
  EXPECT_EQ(config.listeners[0].trusted_proxies[0], *parse_network("10.0.0.0/8"));
  EXPECT_EQ(config.listeners[0].trusted_proxies[2], *parse_network("192.0.2.7/32"));
  EXPECT_EQ(to_string(config.listeners[1].address), "[::1]:0");
  ASSERT_TRUE(config.admin);
  EXPECT_EQ(to_string(*config.admin), "127.0.0.1:9901");
  EXPECT_EQ(config.workers, 3u);
  EXPECT_EQ(config.timeouts.header, 1s);
  EXPECT_EQ(config.timeouts.body_progress, 2s);
  EXPECT_EQ(config.timeouts.body_grace, 6s);
  EXPECT_EQ(config.timeouts.write_progress, 3s);
  EXPECT_EQ(config.timeouts.client_idle, 4min);
  EXPECT_EQ(config.timeouts.upstream_idle, 5min);
  EXPECT_EQ(config.timeouts.drain, 0s);
  EXPECT_EQ(config.limits.head, 16u * 1024);
  EXPECT_EQ(config.limits.fields, 50u);
  EXPECT_EQ(config.limits.target, 2u * 1024);
  EXPECT_EQ(config.limits.token, 3u * 1024);
  EXPECT_EQ(config.limits.body, 1ull << 30);
  EXPECT_EQ(config.limits.body_rate, 1024u);
  EXPECT_EQ(config.limits.connections, 500u);
  EXPECT_EQ(config.limits.connections_per_address, 50u);
  EXPECT_FALSE(config.listeners[0].connections);
  EXPECT_EQ(config.listeners[1].connections, 20u);
  EXPECT_EQ(config.access_log.file, folder_.path("logs/access.log"));
  EXPECT_EQ(config.access_log.buffer_bytes, 64u * 1024);
}

TEST_F(Load, ServicesAndRateLimits) {
  Config config = load();
  ASSERT_EQ(config.services.size(), 2u);
  const Service& users = config.services[0];
  EXPECT_EQ(users.name, "users");
  ASSERT_EQ(users.endpoints.size(), 3u);
  EXPECT_EQ(users.endpoints[0].host, "127.0.0.1");
  EXPECT_EQ(users.endpoints[0].port, 7001);
  EXPECT_EQ(users.endpoints[1].host, "users.internal");
  EXPECT_EQ(users.endpoints[1].port, 80);
  EXPECT_EQ(users.endpoints[2].host, "::1");
  EXPECT_EQ(users.timeouts.connect, 1s);
  EXPECT_EQ(users.timeouts.first_byte, 1min);
  EXPECT_EQ(users.timeouts.between_bytes, 1h);
  EXPECT_EQ(users.timeouts.upgrade_idle, 2h);
  EXPECT_EQ(config.services[1].timeouts.first_byte, 30s);

  ASSERT_EQ(config.rate_limits.size(), 2u);
  EXPECT_EQ(config.rate_limits[0].name, "per_user");
  EXPECT_EQ(config.rate_limits[0].key, std::vector{LimitKeyPart{}});
  EXPECT_EQ(config.rate_limits[0].size.tokens, 100u);
  EXPECT_EQ(config.rate_limits[0].size.refill_per_second, 50);
  EXPECT_FALSE(config.rate_limits[0].report_only);
  EXPECT_EQ(config.rate_limits[1].key, std::vector{LimitKeyPart{.kind = LimitKeyPart::Kind::address}});
  EXPECT_EQ(config.rate_limits[1].size.refill_per_second, 0.5);
  EXPECT_TRUE(config.rate_limits[1].report_only);
  EXPECT_EQ(config.rate_limit_table.memory_bytes, 1024u * 1024);
}

TEST_F(Load, Identity) {
  Config config = load();
  const Authentication& authentication = config.authentication;
  EXPECT_EQ(authentication.clock_skew, 10s);
  EXPECT_EQ(authentication.token_cache_bytes, 1024u * 1024);
  EXPECT_EQ(authentication.api_keys.header, "Api-Key");
  ASSERT_EQ(authentication.issuers.size(), 5u);
  const Issuer& first = authentication.issuers[0];
  EXPECT_EQ(first.issuer, "https://issuer.example");
  EXPECT_EQ(first.audiences, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(first.algorithms, (std::vector{jose::Algorithm::EdDSA, jose::Algorithm::RS256}));
  ASSERT_TRUE(first.jwks.url);
  EXPECT_EQ(first.jwks.url->text, "https://issuer.example/jwks?x=1");
  EXPECT_EQ(first.jwks.refresh, 1min);
  EXPECT_EQ(first.jwks.max_stale, 2h);
  EXPECT_EQ(first.type, "at+jwt");
  EXPECT_EQ(first.required_claims, (std::vector<std::string>{"sid", "realm_access.roles"}));
  EXPECT_EQ(first.subject_prefix, "");
  EXPECT_TRUE(first.user_management);
  EXPECT_EQ(first.rights, (access::RightsClaims{
                              .tenant = "org.id",
                              .roles = "realm_access.roles",
                              .permissions = "https://x.example/permissions",
                              .scopes = "scp",
                              .headers = {{"email", "X-Auth-Email"}, {"https://x.example/groups", "x-user-groups"}}}));
  EXPECT_EQ(first.jwks.cooldown, 10s);
  EXPECT_FALSE(first.jwks.discovery);
  const Issuer& second = authentication.issuers[1];
  EXPECT_FALSE(second.jwks.url);
  EXPECT_EQ(second.jwks.file, folder_.path("keys/other.json"));
  EXPECT_EQ(second.jwks.file_content, kTestKeySet);
  EXPECT_EQ(second.subject_prefix, "other|");
  EXPECT_FALSE(second.user_management);
  EXPECT_EQ(second.rights, access::RightsClaims{});
  const Issuer& third = authentication.issuers[2];
  EXPECT_EQ(third.secret, std::string(48, 's')) << "without the line end";
  EXPECT_EQ(third.algorithms, (std::vector{jose::Algorithm::HS256, jose::Algorithm::HS384}));
  EXPECT_EQ(config.roles, (std::vector<access::RolePermissions>{{"trainer", {"models:write", "gpu:*"}}}));
  const Issuer& fourth = authentication.issuers[3];
  ASSERT_TRUE(fourth.jwks.discovery);
  EXPECT_EQ(fourth.jwks.discovery->text, "https://tenant.example/realm/.well-known/openid-configuration");
  EXPECT_EQ(fourth.jwks.cooldown, 90s);
  EXPECT_FALSE(fourth.jwks.url);
  EXPECT_EQ(authentication.issuers[4].jwks.discovery->text, "http://127.0.0.1:9/x/.well-known/openid-configuration");

  ASSERT_TRUE(config.user_management);
  EXPECT_EQ(config.user_management->url.port, 7001);
  EXPECT_EQ(config.user_management->token_file, folder_.path("service.token"));
  EXPECT_EQ(config.user_management->token, "secret-token");
  EXPECT_EQ(config.user_management->fresh_for, 1s);
  EXPECT_EQ(config.user_management->stale_for, 2min);
  EXPECT_EQ(config.user_management->timeout, 500ms);
  EXPECT_EQ(config.user_management->max_users, 10u);
  EXPECT_EQ(config.user_management->memory_bytes, 8u * 1024 * 1024);
}

TEST_F(Load, Routes) {
  Config config = load();
  ASSERT_EQ(config.routes.size(), 4u);
  const Route& create = config.routes[0];
  EXPECT_EQ(create.name, "create users");
  EXPECT_EQ(create.path, "/api/v1/users");
  EXPECT_EQ(create.host, "api.example");
  EXPECT_EQ(create.methods, (std::vector<std::string>{"POST", "PUT"}));
  using Header = std::pair<std::string, std::string>;
  EXPECT_EQ(create.headers, (std::vector{Header("x-version", "2"), Header("accept", "text/html")}));
  EXPECT_EQ(create.service, 1u);
  EXPECT_FALSE(create.is_public);
  ASSERT_EQ(create.require.size(), 2u);
  EXPECT_EQ(create.require[0].method, "POST");
  EXPECT_EQ(create.require[0].all, (std::vector<std::string>{"users:write", "users:create"}));
  EXPECT_EQ(create.require[1].method, "*");
  EXPECT_EQ(create.require[1].all, (std::vector<std::string>{"users:admin"}));
  ASSERT_EQ(create.limits.size(), 2u);
  EXPECT_EQ(create.limits[0].limit, 1u);
  EXPECT_EQ(create.limits[1].limit, 0u);
  EXPECT_EQ(create.max_body, 0u);
  EXPECT_EQ(create.errors, ErrorMode::passthrough);
  EXPECT_TRUE(create.forward_token);
  EXPECT_FALSE(create.websocket);

  const Route& rest = config.routes[1];
  EXPECT_EQ(rest.name, "/api/v1/users");
  EXPECT_EQ(rest.service, 0u);
  ASSERT_EQ(rest.require.size(), 1u);
  EXPECT_EQ(rest.require[0].method, "*");
  EXPECT_EQ(rest.require[0].all, (std::vector<std::string>{"users:read"}));
  EXPECT_FALSE(rest.max_body);
  EXPECT_TRUE(rest.websocket);
  EXPECT_EQ(config.routes[2].name, "/api/v1/users (2)");
  EXPECT_TRUE(config.routes[2].is_public);
  EXPECT_EQ(rest.issuers, ~std::uint64_t{0});
  EXPECT_FALSE(rest.api_keys);

  const Route& keys = config.routes[3];
  EXPECT_EQ(keys.path, "/api/v1/users/{subject}/keys");
  EXPECT_EQ(keys.issuers, 0b101u);
  EXPECT_TRUE(keys.api_keys);
  EXPECT_TRUE(keys.report_only);
  ASSERT_EQ(keys.require.size(), 2u);
  EXPECT_EQ(keys.require[0].owner_or, (std::vector<std::string>{"users:read"}));
  EXPECT_TRUE(keys.require[0].all.empty());
  EXPECT_EQ(keys.require[1].all, (std::vector<std::string>{"keys:write"}));
  EXPECT_EQ(keys.require[1].any, (std::vector<std::string>{"users:write", "users:admin"}));
  EXPECT_EQ(keys.require[1].roles, (std::vector<std::string>{"admin"}));
  EXPECT_EQ(keys.require[1].scopes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(keys.require[1].owner_or, (std::vector<std::string>{"users:admin"}));
}

TEST(LoadText, TheSmallestFileHasTheDocumentedDefaults) {
  auto loaded = load_config_text(
      "listeners: [ { address: 127.0.0.1:8080 } ]\n"
      "services: { backend: { endpoints: [ http://127.0.0.1:9000 ] } }\n"
      "routes: [ { path: /, service: backend, public: true } ]\n",
      "small.yaml");
  ASSERT_TRUE(loaded) << first_error(loaded);
  const Config& config = *loaded;
  EXPECT_FALSE(config.admin);
  EXPECT_EQ(config.workers, 0u);
  EXPECT_EQ(config.timeouts.header, 10s);
  EXPECT_EQ(config.timeouts.body_progress, 30s);
  EXPECT_EQ(config.timeouts.body_grace, 10s);
  EXPECT_EQ(config.timeouts.write_progress, 30s);
  EXPECT_EQ(config.timeouts.client_idle, 60s);
  EXPECT_EQ(config.timeouts.upstream_idle, 50s);
  EXPECT_EQ(config.timeouts.drain, 30s);
  EXPECT_EQ(config.limits.head, 32u * 1024);
  EXPECT_EQ(config.limits.fields, 100u);
  EXPECT_EQ(config.limits.target, 8u * 1024);
  EXPECT_EQ(config.limits.token, 8u * 1024);
  EXPECT_EQ(config.limits.body, 10u * 1024 * 1024);
  EXPECT_EQ(config.limits.body_rate, 100u);
  EXPECT_EQ(config.limits.connections, 10000u);
  EXPECT_EQ(config.limits.connections_per_address, 1000u);
  EXPECT_EQ(config.services[0].timeouts.connect, 2s);
  EXPECT_EQ(config.services[0].timeouts.first_byte, 30s);
  EXPECT_EQ(config.services[0].timeouts.between_bytes, 60s);
  EXPECT_EQ(config.services[0].timeouts.upgrade_idle, 5min);
  EXPECT_EQ(config.authentication.clock_skew, 30s);
  EXPECT_EQ(config.authentication.token_cache_bytes, 16u * 1024 * 1024);
  EXPECT_TRUE(config.authentication.issuers.empty());
  EXPECT_FALSE(config.user_management);
  EXPECT_EQ(config.rate_limit_table.memory_bytes, 16u * 1024 * 1024);
  EXPECT_EQ(config.access_log.file, "-");
  EXPECT_EQ(config.access_log.buffer_bytes, 1024u * 1024);
  EXPECT_EQ(config.routes[0].name, "/");
  EXPECT_EQ(config.routes[0].errors, ErrorMode::transform);
  EXPECT_FALSE(config.routes[0].forward_token);
}

TEST(LoadText, DefaultsThatArePartOfAHeadShrinkWithIt) {
  auto config = load_config_text(
      "listeners: [ { address: 127.0.0.1:8080 } ]\n"
      "limits: { head: 4KiB }\n"
      "services: { backend: { endpoints: [ http://127.0.0.1:9000 ] } }\n"
      "routes: [ { path: /, service: backend, public: true } ]\n"
      "access_log: off\n",
      "small.yaml");
  ASSERT_TRUE(config) << first_error(config);
  EXPECT_EQ(config->limits.target, 4u * 1024);
  EXPECT_EQ(config->limits.token, 4u * 1024);
  EXPECT_EQ(config->access_log.file, "");
}

TEST(LoadText, DerivedNamesNeverTakeAGivenOne) {
  auto config = load_config_text(
      "listeners: [ { address: 127.0.0.1:8080 } ]\n"
      "services: { backend: { endpoints: [ http://127.0.0.1:9000 ] } }\n"
      "routes:\n"
      "  - { path: /a, service: backend, public: true }\n"
      "  - { path: /a, service: backend, public: true, methods: [ GET ] }\n"
      "  - { path: /b, service: backend, public: true, name: /a }\n"
      "  - { path: /c, service: backend, public: true, name: /a (2) }\n",
      "small.yaml");
  ASSERT_TRUE(config) << first_error(config);
  EXPECT_EQ(config->routes[0].name, "/a (3)");
  EXPECT_EQ(config->routes[1].name, "/a (4)");
}

}  // namespace
}  // namespace lotagate::config
