// Host names of endpoints, resolved on the control thread (it may block; workers only ever see addresses).
#pragma once

#include <vector>

#include "config/config.h"

namespace lotagate {

// IP literals and names; at most kMaxAddresses, in the resolver's order; empty if nothing is known now.
inline constexpr std::size_t kMaxAddresses = 64;
std::vector<SocketAddress> resolve(const config::Url& url);

// Whether the URL's host is a name rather than an address.
bool is_name(const config::Url& url);

}  // namespace lotagate
