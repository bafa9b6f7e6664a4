// Socket addresses as the system calls take them: sockaddr_in for an IPv4 address, sockaddr_in6 for any other.
#pragma once

#include <sys/socket.h>

#include "base/address.h"

namespace lotagate {

// Fills `out` and returns how much of it counts.
socklen_t to_sockaddr(const SocketAddress& address, sockaddr_storage& out);

// The unspecified address for a family other than IP.
SocketAddress from_sockaddr(const sockaddr_storage& in);

}  // namespace lotagate
