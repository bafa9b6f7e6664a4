// The sections about the process itself: where it listens, how long it waits, how much it takes.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "config/sections.h"
#include "config/text_check.h"
#include "config/units.h"

namespace lotagate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxListeners = 64;
constexpr std::size_t kMaxTrustedProxies = 1024;
constexpr NumberRange kWorkers{1, 64};
constexpr DurationRange kClientTimeout{10ms, 24h};  // the least keeps a typing mistake from refusing everyone
constexpr DurationRange kHeaderTimeout{10ms, 10min};
constexpr DurationRange kDrain{0ms, 1h};
constexpr NumberRange kHeadBytes{1024,
                                 60ull * 1024};  // a head fits one 64 KiB buffer with room for what is added to it
constexpr NumberRange kFields{1, 1000};
constexpr NumberRange kTargetBytes{64, 60ull * 1024};
constexpr NumberRange kTokenBytes{64, 60ull * 1024};
constexpr NumberRange kBodyBytes{0, 1ull << 40};
constexpr NumberRange kConnections{1, 1'000'000};
constexpr NumberRange kBodyRate{0, 1ull << 30};
constexpr NumberRange kLogBufferBytes{64ull * 1024, 256ull * 1024 * 1024};

std::optional<SocketAddress> read_address(MapReader& map) {
  const YamlNode* node = map.require("address");
  if (node == nullptr) return std::nullopt;
  auto text = read_scalar(map.problems(), *node, "an address such as `127.0.0.1:8080`");
  if (!text) return std::nullopt;
  auto address = parse_socket_address(*text);
  if (!address) {
    map.problems().add(node->at, fmt::format("`{}` is not an address with a port, such as `127.0.0.1:8080` or "
                                             "`[::1]:8080`; a host name is not accepted here",
                                             shown(*text)));
  }
  return address;
}

// The first address of the network: all bits after the prefix are zero.
IpAddress masked(const Network& network) {
  IpAddress ip = network.ip;
  for (std::size_t bit = network.prefix_bits; bit < 128; ++bit) {
    ip.bytes[bit / 8] = static_cast<std::uint8_t>(ip.bytes[bit / 8] & ~(0x80 >> bit % 8));
  }
  return ip;
}

// Every client is then a proxy that may say who it is (I04), and header keys of limits count from everybody (R08).
void warn_about_everybody(Problems& problems, const YamlNode& proxies, const std::vector<Network>& networks) {
  if (std::ranges::none_of(networks, is_everybody)) return;
  problems.warn(proxies.at, "`trusted_proxies` trusts everybody: clients can forge their address with X-Forwarded-For");
}

bool is_wildcard(const IpAddress& ip) {
  return std::all_of(ip.bytes.begin() + (ip.is_v4() ? 12 : 0), ip.bytes.end(), [](auto byte) { return byte == 0; });
}

// Whether both cannot be bound at once. Port 0 takes any free port, so it never collides; a wildcard takes its family's
// port of every address.
bool collide(const SocketAddress& a, const SocketAddress& b) {
  if (a.port == 0 || a.port != b.port) return false;
  return a.ip == b.ip || (a.ip.is_v4() == b.ip.is_v4() && (is_wildcard(a.ip) || is_wildcard(b.ip)));
}

bool takes(const std::vector<Listener>& listeners, const SocketAddress& address) {
  return std::ranges::any_of(listeners, [&](const Listener& listener) { return collide(listener.address, address); });
}

}  // namespace

bool is_everybody(const Network& network) {
  constexpr std::uint8_t kAllOfV4 = 96;  // of the mapped form
  return network.prefix_bits == 0 || (network.ip.is_v4() && network.prefix_bits == kAllOfV4);
}

std::vector<Network> read_networks(Problems& problems, const YamlNode& node, const CollectionRule& rule) {
  std::vector<Network> networks;
  for (const YamlNode* item : read_texts(problems, node, rule)) {
    auto network = parse_network(item->text);
    if (!network) {
      problems.add(item->at, fmt::format("`{}` is not a network or an address, such as `10.0.0.0/8` or `::1`",
                                         shown(item->text)));
    } else if (IpAddress first = masked(*network); first != network->ip) {
      problems.add(item->at, fmt::format("`{}` has bits set after its prefix; write `{}{}`", shown(item->text),
                                         to_string(first), item->text.substr(item->text.find('/'))));
    } else {
      networks.push_back(*network);
    }
  }
  return networks;
}

void read_listeners(Problems& problems, const YamlNode& node, std::vector<Listener>& listeners) {
  for (const YamlNode& item : read_list(problems, node, {.what = "a list of listeners", .most = kMaxListeners})) {
    MapReader map(problems, item, kListenerKeys);
    Listener listener;
    if (auto address = read_address(map)) {
      if (takes(listeners, *address)) {
        problems.add(map.find("address")->at, fmt::format("`{}` is taken by another listener", to_string(*address)));
      }
      listener.address = *address;
    }
    if (const YamlNode* proxies = map.find("trusted_proxies")) {
      listener.trusted_proxies = read_networks(
          problems, *proxies, {.what = "a list of networks", .most = kMaxTrustedProxies, .may_be_empty = true});
      warn_about_everybody(problems, *proxies, listener.trusted_proxies);
    }
    if (auto connections = map.number("connections", kConnections)) {
      listener.connections = static_cast<std::uint32_t>(*connections);
    }
    if (const YamlNode* tls = map.find("tls")) {
      problems.add(tls->key_at,
                   "`tls` is not supported yet; listen on a private address behind a server that ends TLS");
    }
    listeners.push_back(std::move(listener));
  }
}

void read_admin(Problems& problems, const YamlNode& node, const std::vector<Listener>& listeners,
                std::optional<SocketAddress>& admin) {
  MapReader map(problems, node, kAdminKeys);
  admin = read_address(map);
  if (admin && takes(listeners, *admin)) {
    problems.add(map.find("address")->at, fmt::format("`{}` is taken by a listener", to_string(*admin)));
  }
}

void read_workers(Problems& problems, const YamlNode& node, std::uint32_t& workers) {
  bool is_plain = node.kind == YamlNode::Kind::scalar && !node.quoted;
  if (is_plain && node.text == "auto") {
    workers = 0;
    return;
  }
  auto number = is_plain ? parse_decimal(node.text) : std::nullopt;
  if (number && *number >= kWorkers.least && *number <= kWorkers.most) {
    workers = static_cast<std::uint32_t>(*number);
    return;
  }
  problems.add(node.at, fmt::format("expected auto or a whole number from {} to {}, found {}", kWorkers.least,
                                    kWorkers.most, describe(node)));
}

void read_timeouts(Problems& problems, const YamlNode& node, Timeouts& timeouts) {
  MapReader map(problems, node, kTimeoutsKeys);
  set(timeouts.header, map.duration("header", kHeaderTimeout));
  set(timeouts.body_progress, map.duration("body_progress", kClientTimeout));
  set(timeouts.body_grace, map.duration("body_grace", kClientTimeout));
  set(timeouts.write_progress, map.duration("write_progress", kClientTimeout));
  set(timeouts.client_idle, map.duration("client_idle", kClientTimeout));
  set(timeouts.upstream_idle, map.duration("upstream_idle", kClientTimeout));
  set(timeouts.drain, map.duration("drain", kDrain));
}

void read_limits(Problems& problems, const YamlNode& node, Limits& limits) {
  MapReader map(problems, node, kLimitsKeys);
  set(limits.head, map.size("head", kHeadBytes));
  set(limits.fields, map.number("fields", kFields));
  set(limits.target, map.size("target", kTargetBytes));
  set(limits.token, map.size("token", kTokenBytes));
  set(limits.body, map.size("body", kBodyBytes));
  set(limits.body_rate, map.size("body_rate", kBodyRate));
  set(limits.connections, map.number("connections", kConnections));
  set(limits.connections_per_address, map.number("connections_per_address", kConnections));

  // Both are part of a head. A default shrinks with it; what is written down has to fit.
  auto check_against_head = [&](std::string_view key, std::size_t& value) {
    if (value <= limits.head) return;
    if (const YamlNode* given = map.find(key)) {
      problems.add(given->at, fmt::format("`{}` is more than `head` ({}), which it is part of", shown(given->text),
                                          size_to_text(limits.head)));
    }
    value = limits.head;
  };
  check_against_head("target", limits.target);
  check_against_head("token", limits.token);
}

void read_access_log(Problems& problems, const YamlNode& node, const std::filesystem::path& folder, AccessLog& log) {
  if (node.kind == YamlNode::Kind::scalar && node.text == "off") {
    log.file.clear();
    return;
  }
  if (node.kind != YamlNode::Kind::map) {
    problems.add(node.at, fmt::format("expected off or a map with file, buffer, found {}", describe(node)));
    return;
  }
  MapReader map(problems, node, kAccessLogKeys);
  set(log.file, map.text("file"));
  if (log.file != "-") log.file = (folder / log.file).lexically_normal().string();
  set(log.buffer_bytes, map.size("buffer", kLogBufferBytes));
}

}  // namespace lotagate::config
