#include "config/snapshot.h"

#include <algorithm>

#include "base/check.h"
#include "base/host_port.h"
#include "config/compile_concurrency.h"
#include "config/compile_limits.h"
#include "http/field.h"

namespace lotagate::config {
namespace {

CompiledService compile_service(const Service& service, const CompileHooks& hooks) {
  CompiledService out{.name = service.name, .endpoints = {}, .timeouts = service.timeouts};
  for (const Url& url : service.endpoints) {
    std::string text = host_and_port(url.host, url.port);
    for (const SocketAddress& address : hooks.resolve(url)) {
      out.endpoints.push_back({address, text, hooks.health(address)});
    }
  }
  return out;
}

access::Requirement compile_route_requirement(const Route& route) {
  auto requirement = access::compile_requirement(route.require, route.path.contains(route::kSubjectSegment));
  LG_CHECK(requirement.has_value(), "the loader let an impossible requirement pass");
  return std::move(*requirement);
}

CompiledRoute compile_route(const Route& route, const Config& config, const std::vector<CompiledLimit>& limits,
                            const CompileHooks& hooks) {
  auto route_limits = compile_route_limits(route, limits);
  return CompiledRoute{.name = route.name,
                       .service = route.service,
                       .is_public = route.is_public,
                       .require = compile_route_requirement(route),
                       .issuers = route.issuers,
                       .api_keys = route.api_keys,
                       .report_only = route.report_only,
                       .limits = std::move(route_limits.all),
                       .early_limits = route_limits.early,
                       .max_body = route.max_body.value_or(config.limits.body),
                       .errors = route.errors,
                       .forward_token = route.forward_token,
                       .websocket = route.websocket,
                       .metrics_slot = hooks.metrics_slot(route.name, config.services[route.service].name)};
}

std::vector<route::RouteSpec> route_specs(const Config& config) {
  std::vector<route::RouteSpec> specs;
  for (const Route& route : config.routes) specs.push_back({route.path, route.host, route.methods, route.headers});
  return specs;
}

bool same_directory(const std::optional<UserManagement>& a, const std::optional<UserManagement>& b) {
  if (!a || !b) return false;
  return a->url.text == b->url.text && a->fresh_for == b->fresh_for && a->stale_for == b->stale_for &&
         a->max_users == b->max_users && a->memory_bytes == b->memory_bytes;
}

// Anybody can make up API keys, so their look-ups get a smaller part of what the service has to bear.
constexpr std::uint32_t kUserLookups = 1024;
constexpr std::uint32_t kKeyLookups = 256;

struct Directories {
  std::shared_ptr<access::RoleDirectory> users;
  std::shared_ptr<access::RoleDirectory> keys;
  std::shared_ptr<access::CircuitBreaker> breaker;
};

Directories directories_for(const Config& config, const Snapshot* previous) {
  if (!config.user_management) return {};
  const UserManagement& service = *config.user_management;
  if (previous != nullptr && same_directory(service, previous->config.user_management)) {
    return {previous->directory, previous->key_directory, previous->breaker};
  }
  access::RoleDirectorySettings settings{.fresh_for = service.fresh_for,
                                         .stale_for = service.stale_for,
                                         .max_entries = service.max_users,
                                         .max_bytes = service.memory_bytes,
                                         .max_lookups = kUserLookups};
  auto breaker = std::make_shared<access::CircuitBreaker>();
  auto users = std::make_shared<access::RoleDirectory>(settings, breaker);
  settings.max_lookups = kKeyLookups;
  return {std::move(users), std::make_shared<access::RoleDirectory>(settings, breaker), breaker};
}

}  // namespace

std::shared_ptr<const Snapshot> compile(Config config, const CompileHooks& hooks, const Snapshot* previous) {
  std::vector<CompiledService> services;
  for (const Service& service : config.services) services.push_back(compile_service(service, hooks));
  std::vector<CompiledLimit> limits = compile_limits(config, hooks);
  std::vector<CompiledRoute> routes;
  std::vector<CompiledConcurrency> concurrency = compile_concurrency(config, hooks);
  for (const Route& route : config.routes) {
    CompiledRoute& compiled = routes.emplace_back(compile_route(route, config, limits, hooks));
    compiled.concurrency = compile_route_concurrency(route, concurrency);
    compiled.priority = route.priority;
  }

  CompiledService user_management;
  if (config.user_management) {
    Service service{.name = "user_management", .endpoints = {config.user_management->url}, .timeouts = {}};
    user_management = compile_service(service, hooks);
  }
  auto directories = directories_for(config, previous);
  route::RouteTable table(route_specs(config));
  bool own_key_header = http::classify_field(config.authentication.api_keys.header) != http::FieldName::x_api_key;
  return std::make_shared<const Snapshot>(Snapshot{.config = std::move(config),
                                                   .has_own_key_header = own_key_header,
                                                   .table = std::move(table),
                                                   .services = std::move(services),
                                                   .limits = std::move(limits),
                                                   .concurrency = std::move(concurrency),
                                                   .routes = std::move(routes),
                                                   .user_management = std::move(user_management),
                                                   .directory = std::move(directories.users),
                                                   .key_directory = std::move(directories.keys),
                                                   .breaker = std::move(directories.breaker)});
}

bool same_authentication(const Config& a, const Config& b) {
  auto same_issuer = [](const Issuer& x, const Issuer& y) {
    return x.issuer == y.issuer && x.audiences == y.audiences && x.algorithms == y.algorithms &&
           same_place(x.jwks, y.jwks) && x.jwks.refresh == y.jwks.refresh && x.jwks.max_stale == y.jwks.max_stale &&
           x.jwks.cooldown == y.jwks.cooldown && x.secret == y.secret && x.type == y.type &&
           x.required_claims == y.required_claims && x.subject_prefix == y.subject_prefix && x.rights == y.rights;
  };
  const Authentication& left = a.authentication;
  const Authentication& right = b.authentication;
  return left.clock_skew == right.clock_skew && left.token_cache_bytes == right.token_cache_bytes &&
         a.limits.token == b.limits.token && a.roles == b.roles && limit_claims(a) == limit_claims(b) &&
         std::ranges::equal(left.issuers, right.issuers, same_issuer);
}

}  // namespace lotagate::config
