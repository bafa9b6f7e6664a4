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
#include "limit/concurrency.h"
#include "limit/shared_policy.h"
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

// One size of a limit, with buckets of its own: its only one, or that of a case.
struct CompiledBucket {
  std::string value;  // of the case; empty without cases
  bool unlimited;     // then nothing of the following is set
  limit::BucketPolicy policy;
  std::uint64_t seed;
  std::string policy_item;            // of RateLimit-Policy
  const limit::SharedPolicy* shared;  // null: local; else as long as the process
};

struct CompiledKeyPart {
  LimitKeyPart::Kind kind;
  std::string name;  // header: lower case
  bool from_anyone;
  std::uint32_t claim = 0;  // claim: index in Principal::limit_claims
};

struct CompiledLimit {
  RateLimit rule;
  std::string quoted_name;  // as response fields have it
  std::vector<CompiledKeyPart> key;
  std::uint32_t claim = 0;              // that chooses the case: index in Principal::limit_claims
  std::vector<CompiledBucket> buckets;  // the only one, or one for each case in the order of the rule
  bool settles;                         // what it costs turns out with the answer
  bool for_everybody;                   // nobody is exempt, and there is one bucket: nothing to choose
};

struct CompiledRouteLimit {
  const CompiledLimit* limit;  // of the same snapshot
  std::uint32_t cost;
};

struct CompiledConcurrency {
  ConcurrencyLimit rule;
  std::vector<CompiledKeyPart> key;
  std::uint64_t seed;
  bool is_shared;                   // the key says nothing of the caller: the places are everybody's
  limit::ConcurrencyLimit* places;  // the same for the same name, as long as the process; null without the hook
};

struct CompiledRoute {
  std::string name;
  std::size_t service;
  bool is_public;
  access::Requirement require;
  std::uint64_t issuers;  // bit i: tokens of Authentication::issuers[i] count
  bool api_keys;
  bool report_only;
  std::vector<CompiledRouteLimit> limits;  // those before authentication first
  std::size_t early_limits;                // how many those are
  // In the order in which every request takes places, so that no two wait for each other.
  std::vector<const CompiledConcurrency*> concurrency = {};
  limit::Priority priority = limit::Priority::normal;
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
  std::vector<CompiledLimit> limits;             // never moved: routes point there
  std::vector<CompiledConcurrency> concurrency;  // likewise
  std::vector<CompiledRoute> routes;             // same order as config.routes and the table's specs
  CompiledService user_management;               // its one endpoint, when configured
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
  // What the buckets of a limit's case (empty: without cases) are counted under; the same after a reload.
  std::function<std::uint16_t(const std::string& policy, const std::string& value)> bucket_kind;
  // Lives as long as the process; null where nothing is shared. May be empty: then nothing is.
  std::function<const limit::SharedPolicy*(const limit::SharedPolicy&)> shared_policy;
  // Where the places of a concurrency limit are counted; the same after a reload. May be empty.
  std::function<limit::ConcurrencyLimit*(const std::string& name)> concurrency_limit = {};
  std::function<std::shared_ptr<upstream::EndpointHealth>(const SocketAddress&)> health;
};

// `previous` (may be null) lends its directories when the settings that shape it are the same.
std::shared_ptr<const Snapshot> compile(Config config, const CompileHooks& hooks, const Snapshot* previous);

// Paths of the claims that limits look at, each once: what Principal::limit_claims holds, in this order.
std::vector<std::string> limit_claims(const Config& config);

// Whether two configurations verify tokens alike, so that a worker may keep its token cache.
bool same_authentication(const Config& a, const Config& b);

}  // namespace lotagate::config
