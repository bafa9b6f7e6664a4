// Where a request comes from, as the gateway says.
#pragma once

#include <optional>
#include <string>

#include "base/address.h"
#include "common/http.h"

namespace lotagate::services {

// The X-Real-IP of the gateway, which alone knows the proxies before it and lets no client's own pass; without it,
// whoever connected. Nothing if that is no address.
std::optional<IpAddress> client_address(const Request& request);

// What of an address one client cannot easily change: all of IPv4, the /64 of IPv6.
std::string address_group(const IpAddress& address);

}  // namespace lotagate::services
