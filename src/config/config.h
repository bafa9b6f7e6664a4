// The configuration as plain structs with its defaults: what the YAML file says, already checked for types, units
// and references, not yet compiled. Source of the keys and defaults: docs/configuration.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "access/issued_rights.h"
#include "access/policy.h"
#include "base/address.h"
#include "base/clock.h"
#include "jose/algorithm.h"
#include "limit/priority.h"
#include "limit/store_failure.h"

namespace lotagate::config {

struct Listener {
  SocketAddress address;
  std::vector<Network> trusted_proxies;      // peers whose X-Forwarded-For names the client
  std::optional<std::uint32_t> connections;  // open at once on this listener; nothing: only the process's cap
};

struct Url {  // http://host[:port][/path]; https is refused for endpoints until upstream TLS exists
  std::string text;
  std::string scheme;
  std::string host;  // lower case, without brackets
  std::uint16_t port = 80;
  std::string path;  // begins with '/', or empty
};

struct Timeouts {                                          // of the listener's side and of connections kept
  milliseconds header = std::chrono::seconds(10);          // whole request head, absolute
  milliseconds body_progress = std::chrono::seconds(30);   // between two reads of a request body
  milliseconds body_grace = std::chrono::seconds(10);      // waiting for a body before Limits::body_rate counts
  milliseconds write_progress = std::chrono::seconds(30);  // between two writes to a client
  milliseconds client_idle = std::chrono::seconds(60);
  milliseconds upstream_idle = std::chrono::seconds(50);
  milliseconds drain = std::chrono::seconds(30);
};

struct Limits {
  std::size_t head = 32 * 1024;  // bytes of a request head, and of a response head; 1 KiB to 60 KiB
  std::size_t fields = 100;
  std::size_t target = 8 * 1024;
  std::size_t token = 8 * 1024;
  std::uint64_t body = 10ull * 1024 * 1024;
  std::uint32_t body_rate = 100;                 // bytes of a request body per second of waiting; 0: any
  std::uint32_t connections = 10000;             // client connections of the whole process
  std::uint32_t connections_per_address = 1000;  // of one client address (IPv6: /64); trusted proxies are exempt
};

struct ServiceTimeouts {
  milliseconds connect = std::chrono::seconds(2);
  milliseconds first_byte = std::chrono::seconds(30);
  milliseconds between_bytes = std::chrono::seconds(60);
  milliseconds upgrade_idle = std::chrono::minutes(5);  // no byte in either direction of an upgraded connection
};

struct Service {
  std::string name;
  std::vector<Url> endpoints;  // at least one
  ServiceTimeouts timeouts;
};

// Where an issuer's public keys come from: exactly one of `url`, `file` and `discovery`.
struct Jwks {
  std::optional<Url> url;        // of a key set; http or https
  std::optional<Url> discovery;  // of the issuer's metadata, which names the key set (OpenID Connect Discovery 1.0, 4)
  std::string file;              // absolute, or relative to where the process was started (the loader made it so)
  std::string file_content;      // as read at load
  seconds refresh = std::chrono::minutes(5);
  seconds max_stale = std::chrono::hours(24);
  milliseconds cooldown = seconds(10);  // between two fetches on behalf of unknown keys
};

// Whether both name the same place; the times may differ.
inline bool same_place(const Jwks& a, const Jwks& b) {
  auto text = [](const std::optional<Url>& url) { return url ? std::string_view(url->text) : std::string_view(); };
  return text(a.url) == text(b.url) && text(a.discovery) == text(b.discovery) && a.file == b.file;
}

struct Issuer {
  std::string issuer{};
  std::vector<std::string> audiences{};
  std::vector<jose::Algorithm> algorithms{};  // at least one
  Jwks jwks{};
  std::string secret{};                        // in place of jwks: content of `secret_file`, for HS256 to HS512
  std::string type{};                          // required `typ`; empty: any
  std::vector<std::string> required_claims{};  // paths
  std::string subject_prefix{};                // put before `sub`
  access::RightsClaims rights{};
  bool user_management = true;  // its users are known there; the loader says false when there is none
};

struct ApiKeys {
  std::string header = "X-API-Key";
};

struct Authentication {
  seconds clock_skew = seconds(30);  // at most 60
  std::vector<Issuer> issuers;       // at most 64
  ApiKeys api_keys;
  std::size_t token_cache_bytes = 16 * 1024 * 1024;  // per worker
};

struct UserManagement {
  Url url;
  std::string token;  // content of token_file, trimmed
  std::string token_file;
  milliseconds fresh_for = seconds(5);
  milliseconds stale_for = std::chrono::minutes(10);
  milliseconds timeout = seconds(2);
  std::uint32_t max_users = 100000;             // entries the directory keeps
  std::size_t memory_bytes = 64 * 1024 * 1024;  // that they may take; API keys may take as much again
};

// One part of what tells buckets apart; docs/rate-limiting.md says what stands in for a part that a request lacks.
struct LimitKeyPart {
  enum class Kind : std::uint8_t { user, tenant, address, api_key, route, service, header, claim };
  Kind kind = Kind::user;
  std::string name{};        // header: lower case; claim: its path
  bool from_anyone = false;  // header: believed from every peer, not from trusted proxies alone
  bool operator==(const LimitKeyPart&) const = default;
};

struct BucketSize {
  std::uint32_t tokens = 0;      // burst, at least 1
  double refill_per_second = 0;  // above 0
};

// What chooses among the cases of a limit.
struct LimitSelector {
  enum class Kind : std::uint8_t { none, plan, role, claim };
  Kind kind = Kind::none;
  std::string claim{};  // path
};

struct LimitCase {
  std::string value;               // "*": everybody else; it is the last one
  std::optional<BucketSize> size;  // nothing: unlimited
};

struct LimitCost {
  std::uint32_t tokens = 1;  // taken at the beginning; with `field` a reserve that is settled when the answer comes
  std::string field{};       // of the answer, lower case: what the request did cost; empty: `tokens` is the cost
  std::uint32_t most = 0;    // with `field`: a field that says more counts as this
};

enum class LimitStage : std::uint8_t { before_authentication, after_authentication };

// Whom a limit does not hold for.
struct LimitExemptions {
  std::vector<Network> addresses;  // of clients, as the gateway resolved them
  std::vector<std::string> paths;  // canonical, compared whole
  std::vector<std::string> users;  // subjects
};

struct RateLimit {
  std::string name{};
  std::vector<LimitKeyPart> key{LimitKeyPart{}};  // at least one
  BucketSize size{};                              // without `by`
  LimitSelector by{};
  std::vector<LimitCase> cases{};  // with `by`: at least "*"
  LimitStage stage = LimitStage::after_authentication;
  LimitCost cost{};
  std::vector<std::uint16_t> count{};  // only answers with these statuses cost, ascending; empty: every request does
  LimitExemptions exempt{};
  bool report_only = false;
  bool legacy_headers = false;  // X-RateLimit-Limit, -Remaining, -Reset
  bool show_keys = false;       // /status names the heaviest keys in clear
  bool shared = false;          // one bucket for all gateways of the `limit_store`
  limit::StoreFailure on_store_failure = limit::StoreFailure::local;
};

// A limit as one route uses it.
struct RouteLimit {
  std::size_t limit = 0;                   // index in Config::rate_limits
  std::optional<std::uint32_t> cost = {};  // in place of the limit's own `cost.tokens`
};

// How many requests may be under way at once for one key.
struct ConcurrencyLimit {
  std::string name;
  std::vector<LimitKeyPart> key{LimitKeyPart{}};  // at least one
  std::uint32_t requests = 0;                     // at least 1
  std::uint32_t queue = 0;                        // that may wait; 0: none
  milliseconds wait = std::chrono::seconds(10);   // for at most so long
  bool report_only = false;
};

// Redis, where gateways share buckets.
struct LimitStore {
  struct Server {
    std::string host;  // lower case, without brackets
    std::uint16_t port = 6379;
    bool operator==(const Server&) const = default;
  };
  std::vector<Server> servers;  // at least one: where to begin
  std::string user;             // of Redis's access lists; empty: the default one
  std::string password;         // empty: none
  std::uint32_t database = 0;
  std::string prefix = "lotagate";
  std::size_t memory_bytes = 16 * 1024 * 1024;  // of the leases; set at the start
  milliseconds timeout = milliseconds(20);      // of one exchange with the store
  bool operator==(const LimitStore&) const = default;
};

enum class ErrorMode : std::uint8_t { transform, passthrough };

struct Route {
  std::string name;                                          // label in metrics and logs; default: the path
  std::string path;                                          // canonical, begins with '/', no trailing '/' but for "/"
  std::string host;                                          // lower case; empty: any
  std::vector<std::string> methods;                          // empty: any
  std::vector<std::pair<std::string, std::string>> headers;  // name (lower case) and exact value, all must match
  std::size_t service = 0;                                   // index in Config::services
  bool is_public = false;
  std::vector<access::MethodRule> require;
  std::uint64_t issuers = ~std::uint64_t{0};  // whose tokens count: bit i stands for Authentication::issuers[i]
  bool api_keys = false;
  bool report_only = false;  // a refusal by `require` is counted and logged, not made
  std::vector<RouteLimit> limits;
  std::vector<std::size_t> concurrency;  // indices in Config::concurrency_limits
  limit::Priority priority = limit::Priority::normal;
  std::optional<std::uint64_t> max_body;
  ErrorMode errors = ErrorMode::transform;
  bool forward_token = false;
  bool websocket = false;  // `upgrade: [websocket]`
};

struct AccessLog {
  std::string file = "-";                  // "-": standard output; empty: off
  std::size_t buffer_bytes = 1024 * 1024;  // per worker; beyond it lines are dropped and counted
};

struct RateLimitTable {
  std::size_t memory_bytes = 16 * 1024 * 1024;
};

// Something that may be meant but is dangerous; the configuration is used as it is.
struct Warning {
  int line = 1;  // 1-based, as `column`, which counts bytes
  int column = 1;
  std::string message;
};

struct Config {
  std::string file;               // where it was read from
  std::vector<Warning> warnings;  // in the order of the file
  std::vector<Listener> listeners;
  std::optional<SocketAddress> admin;
  std::uint32_t workers = 0;  // 0: one per core
  Timeouts timeouts;
  Limits limits;
  std::vector<Service> services;
  Authentication authentication;
  std::optional<UserManagement> user_management;
  std::vector<access::RolePermissions> roles;  // `authorization.roles`: what roles of tokens stand for
  std::vector<RateLimit> rate_limits;
  std::vector<ConcurrencyLimit> concurrency_limits;
  RateLimitTable rate_limit_table;
  std::optional<LimitStore> limit_store;
  std::vector<Route> routes;
  AccessLog access_log;
  std::uint64_t content_hash = 0;  // of the file's bytes: the config hash that metrics show
};

}  // namespace lotagate::config
