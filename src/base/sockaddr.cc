#include "base/sockaddr.h"

#include <netinet/in.h>

#include <cstring>

namespace lotagate {

socklen_t to_sockaddr(const SocketAddress& address, sockaddr_storage& out) {
  std::memset(&out, 0, sizeof out);
  if (address.ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.ip.bytes.data() + 12, 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  std::memcpy(&v6.sin6_addr, address.ip.bytes.data(), 16);
  return sizeof v6;
}

SocketAddress from_sockaddr(const sockaddr_storage& in) {
  SocketAddress address;
  if (in.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(in);
    address.port = ntohs(v4.sin_port);
    address.ip.bytes[10] = address.ip.bytes[11] = 0xFF;
    std::memcpy(address.ip.bytes.data() + 12, &v4.sin_addr, 4);
  } else if (in.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(in);
    address.port = ntohs(v6.sin6_port);
    std::memcpy(address.ip.bytes.data(), &v6.sin6_addr, 16);
  }
  return address;
}

}  // namespace lotagate
