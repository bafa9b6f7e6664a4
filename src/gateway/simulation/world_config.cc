#include "gateway/simulation/world.h"

namespace lotagate::simulation {
namespace {

constexpr std::size_t kEcho = 0;
constexpr std::size_t kLone = 1;
constexpr std::size_t kDark = 2;

config::Url url(const std::string& host) {
  return {.text = "http://" + host, .scheme = "http", .host = host, .port = 80, .path = {}};
}

config::Service service(std::string name, const std::vector<std::string>& hosts) {
  config::Service out;
  out.name = std::move(name);
  for (const std::string& host : hosts) out.endpoints.push_back(url(host));
  out.timeouts.connect = milliseconds(500);
  out.timeouts.first_byte = seconds(2);
  out.timeouts.between_bytes = seconds(2);
  out.timeouts.upgrade_idle = seconds(3);
  return out;
}

config::Route route(std::string path, std::size_t service_index) {
  config::Route out;
  out.name = path;
  out.path = std::move(path);
  out.service = service_index;
  return out;
}

config::Route public_route(std::string path, std::size_t service_index) {
  config::Route out = route(std::move(path), service_index);
  out.is_public = true;
  return out;
}

std::vector<config::Route> routes() {
  std::vector<config::Route> out{public_route("/open", kEcho),  public_route("/pass", kEcho),
                                 public_route("/lone", kLone),  public_route("/dark", kDark),
                                 public_route("/small", kEcho), public_route("/limited", kEcho),
                                 route("/token", kEcho),        route("/things", kEcho),
                                 public_route("/ws", kEcho),    public_route("/crowded", kEcho)};
  out[9].concurrency = {0, 1};
  out[1].errors = config::ErrorMode::passthrough;
  out[4].max_body = 1024;
  out[5].limits = {{.limit = 0}};
  out[7].limits = {{.limit = 1}};
  out[7].api_keys = true;
  out[8].websocket = true;
  out[7].require = {{"GET", {"things:read"}}, {"*", {"things:write"}}};
  return out;
}

}  // namespace

config::Config simulated_config() {
  config::Config config;
  config.listeners.push_back({});
  config.listeners[0].address = *parse_socket_address("10.1.0.1:80");
  config.timeouts.header = seconds(2);
  config.timeouts.body_progress = seconds(2);
  config.timeouts.write_progress = seconds(2);
  config.timeouts.client_idle = seconds(5);
  config.timeouts.upstream_idle = seconds(3);
  config.services = {service("echo", {"10.2.0.1", "10.2.0.2", "10.2.0.3"}), service("lone", {"10.2.0.4"}),
                     service("dark", {"10.2.0.99"})};
  config::Issuer issuer;
  issuer.issuer = "https://issuer.example";
  issuer.audiences = {"simulation"};
  issuer.algorithms = {jose::Algorithm::EdDSA};
  issuer.jwks.file = "in memory";
  config.authentication.issuers = {issuer};
  config.authentication.token_cache_bytes = std::size_t{64} * 1024;
  config.user_management.emplace();
  config.user_management->url = url("10.3.0.1");
  config.user_management->token = "service-token";
  config.user_management->fresh_for = milliseconds(300);
  config.user_management->stale_for = milliseconds(700);
  config.user_management->timeout = milliseconds(500);
  config.user_management->max_users = 100;
  config.rate_limits.resize(2);
  config.rate_limits[0] = {.name = "per_address",
                           .key = {{.kind = config::LimitKeyPart::Kind::address}},
                           .size = {.tokens = 5, .refill_per_second = 1},
                           .stage = config::LimitStage::before_authentication};
  config.rate_limits[1] = {.name = "per_user", .size = {.tokens = 10, .refill_per_second = 10}};
  config.concurrency_limits.resize(2);
  config.concurrency_limits[0] = {.name = "crowd",
                                  .key = {{.kind = config::LimitKeyPart::Kind::service}},
                                  .requests = 2,
                                  .queue = 3,
                                  .wait = milliseconds(400)};
  config.concurrency_limits[1] = {.name = "per_caller", .requests = 2, .queue = 2, .wait = milliseconds(300)};
  config.routes = routes();
  return config;
}

}  // namespace lotagate::simulation
