// One configuration compiled for the request path: immutable, shared by all workers, replaced as a whole on a reload.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "access/policy.h"
#include "access/role_directory.h"
#include "config/config.h"
#include "limit/bucket.h"
#include "route/route_table.h"
#include "upstream/endpoint_health.h"

namespace lotagate::config {

struct ServiceEndpoint {
  SocketAddress address;
  std::string text;                                  // host:port as configured, for the log
  std::shared_ptr<upstream::EndpointHealth> health;  // the same for the same address after a reload
};

struct CompiledService {
  std::string name;
  std::vector<ServiceEndpoint> endpoints;  // empty while no host name of it can be resolved
  ServiceTimeouts timeouts;
};

struct CompiledLimit {
  std::string name;
  std::string quoted_name;  // as response fields have it
  LimitKey key;
  limit::BucketPolicy bucket;
  std::uint64_t seed;
  bool report_only;
  std::uint32_t counter_slot;  // where its decisions are counted; the same for the same name after a reload
};

struct CompiledRoute {
  std::string name;
  std::size_t service;
  bool is_public;
  access::Requirement require;
  std::uint64_t issuers;  // bit i: tokens of Authentication::issuers[i] count
  bool api_keys;
  bool report_only;
  std::vector<std::size_t> limits;
  std::string policy_field;  // value of RateLimit-Policy; empty without limits
  std::uint64_t max_body;
  ErrorMode errors;
  bool forward_token;
  bool websocket;
  std::uint32_t metrics_slot;
};

struct Snapshot {
  Config config;
  bool has_own_key_header;  // API keys come in a field that has no name of its own in http/field.h
  route::RouteTable table;
  std::vector<CompiledService> services;
  std::vector<CompiledLimit> limits;
  std::vector<CompiledRoute> routes;  // same order as config.routes and the table's specs
  CompiledService user_management;    // its one endpoint, when configured
  // Null without user_management; they survive reloads.
  std::shared_ptr<access::RoleDirectory> directory;      // by subject
  std::shared_ptr<access::RoleDirectory> key_directory;  // by digest of API keys
  std::shared_ptr<access::CircuitBreaker> breaker;       // of both: whether the service is asked
};

// What compiling needs from outside; all are called before compile() returns.
struct CompileHooks {
  // Addresses of a host name with `port`; empty if it cannot be resolved now.
  std::function<std::vector<SocketAddress>(const Url&)> resolve;
  std::function<std::uint32_t(const std::string& route, const std::string& service)> metrics_slot;
  std::function<std::uint32_t(const std::string& policy)> limit_slot;
  std::function<std::shared_ptr<upstream::EndpointHealth>(const SocketAddress&)> health;
};

// `previous` (may be null) lends its directories when the settings that shape it are the same.
std::shared_ptr<const Snapshot> compile(Config config, const CompileHooks& hooks, const Snapshot* previous);

// Whether two configurations verify tokens alike, so that a worker may keep its token cache.
bool same_authentication(const Config& a, const Config& b);

}  // namespace lotagate::config
