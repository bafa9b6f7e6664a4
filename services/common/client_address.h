// Where a request comes from, as the gateway and the proxies before it say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "common/http.h"

namespace lotagate::services {

// The gateway appends the peer that it saw to X-Forwarded-For and lets only trusted proxies put anything before it.
// From right to left, the first address that is no trusted proxy is the client; without the field, whoever connected.
// Nothing if that is no address.
std::optional<IpAddress> client_address(const Request& request, const std::vector<Network>& trusted_proxies);

// What of an address one client cannot easily change: all of IPv4, the /64 of IPv6.
std::string address_group(const IpAddress& address);

}  // namespace lotagate::services
