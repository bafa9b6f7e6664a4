#include "common/client_address.h"

#include <algorithm>

namespace lotagate::services {

std::optional<IpAddress> client_address(const Request& request) {
  auto named = parse_ip(request.header("X-Real-IP"));
  return named ? named : parse_ip(request.peer);
}

std::string address_group(const IpAddress& address) {
  if (address.is_v4()) return to_string(address);
  IpAddress network = address;
  std::fill(network.bytes.begin() + 8, network.bytes.end(), std::uint8_t{0});
  return to_string(network) + "/64";
}

}  // namespace lotagate::services
