// One function per section of the file. Each is given the section's node and fills its part of the Config; mistakes go
// to the problems, and what is wrong keeps its default, so that the sections after it can still be checked.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/reader.h"

namespace lotagate::config {

void read_listeners(Problems& problems, const YamlNode& node, std::vector<Listener>& listeners);
// `listeners` is read already: the admin listener must have an address of its own.
void read_admin(Problems& problems, const YamlNode& node, const std::vector<Listener>& listeners,
                std::optional<SocketAddress>& admin);
void read_workers(Problems& problems, const YamlNode& node, std::uint32_t& workers);
void read_timeouts(Problems& problems, const YamlNode& node, Timeouts& timeouts);
void read_limits(Problems& problems, const YamlNode& node, Limits& limits);
void read_access_log(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, AccessLog& log);

// Networks without bits behind their prefix; what is none is reported.
std::vector<Network> read_networks(Problems& problems, const YamlNode& node, const CollectionRule& rule);

// All addresses of IPv4, of IPv6, or of both.
bool is_everybody(const Network& network);

void read_services(Problems& problems, const YamlNode& node, std::vector<Service>& services);

// What tells the buckets or the queues of a limit apart: one part or a list of up to 8 different ones; at least one,
// whatever is wrong. `config`: with its listeners and its authentication read; a header that clients can set on one of
// the listeners is warned about.
std::vector<LimitKeyPart> read_limit_key(Problems& problems, const YamlNode& node, const Config& config);
// The first part that only authentication tells, as the file names it (`user`, `claim`); empty if there is none.
std::string_view part_of_caller(const std::vector<LimitKeyPart>& key);
// A field of a message that a limit may look at, in lower case. Refused, with `what` ("a key") in the message: what is
// no field's name, credentials, and what belongs to the gateway or to one connection.
std::optional<std::string> read_limit_field(Problems& problems, const YamlNode& node, std::string_view what,
                                            const ApiKeys& api_keys);

// `folder`: as below.
void read_limit_store(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, LimitStore& store);
// What limits refer to is read already: listeners, authentication, the store.
void read_rate_limits(Problems& problems, const YamlNode& node, Config& config);
// Tokens of the smallest bucket that a limit can have; 0: it has none with a valid size.
std::uint32_t smallest_bucket(const RateLimit& limit);
void read_rate_limit_table(Problems& problems, const YamlNode& node, RateLimitTable& table);
void read_concurrency_limits(Problems& problems, const YamlNode& node, Config& config);
// A route's `concurrency` and `priority`; `limits`: what it may name.
void read_concurrency(MapReader& map, const std::vector<ConcurrencyLimit>& limits, Route& route);

// `folder`: of the configuration file; files named in it are read now. `authorization` is read before
// `authentication`, whose issuers may rely on the User Management Service.
void read_authorization(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, Config& config);
void read_authentication(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, Config& config);
// The claim that `key` names, if it is one.
std::optional<std::string> read_claim(MapReader& map, std::string_view key);
// The keys of an issuer that concern claims.
void read_claims(Problems& problems, MapReader& map, Issuer& issuer);
void read_role_permissions(Problems& problems, const YamlNode& node, std::vector<access::RolePermissions>& roles);
// Where one issuer's keys come from. `issuer`: its name, empty if that is wrong.
void read_jwks(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, std::string_view issuer,
               Jwks& jwks);

// Everything else of `config` is read already: routes refer to it.
void read_routes(Problems& problems, const YamlNode& node, Config& config);

// A route's `require`; `owned`: its path names a {subject}.
std::vector<access::MethodRule> read_require(Problems& problems, const YamlNode& node,
                                             const std::vector<std::string>& route_methods, bool owned);
// Reports a method that no route can have.
bool is_routable_method(Problems& problems, std::string_view text, Position at);

// Where a route stands in the file.
struct RouteOrigin {
  Position at;
  std::optional<Position> name_at;  // of a name that was given, not derived
};

// Gives nameless routes a name, and reports what only all routes together show: repeated names, routes that no request
// can tell apart. `origins` belongs to `routes`, one for one.
void check_routes(Problems& problems, std::vector<Route>& routes, const std::vector<RouteOrigin>& origins);

}  // namespace lotagate::config
