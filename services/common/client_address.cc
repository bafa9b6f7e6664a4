#include "common/client_address.h"

#include <algorithm>

#include "base/text.h"

namespace lotagate::services {

std::optional<IpAddress> client_address(const Request& request, const std::vector<Network>& trusted_proxies) {
  std::string_view chain = request.header("X-Forwarded-For");
  if (chain.empty()) return parse_ip(request.peer);
  std::optional<IpAddress> client;
  while (!chain.empty()) {
    auto comma = chain.rfind(',');
    auto ip = parse_ip(trim(comma == std::string_view::npos ? chain : chain.substr(comma + 1)));
    if (!ip) return client;
    client = ip;
    bool proxy = std::ranges::any_of(trusted_proxies, [&](const Network& network) { return network.contains(*ip); });
    if (!proxy || comma == std::string_view::npos) return client;
    chain = chain.substr(0, comma);
  }
  return client;
}

std::string address_group(const IpAddress& address) {
  if (address.is_v4()) return to_string(address);
  IpAddress network = address;
  std::fill(network.bytes.begin() + 8, network.bytes.end(), std::uint8_t{0});
  return to_string(network) + "/64";
}

}  // namespace lotagate::services
