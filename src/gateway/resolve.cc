#include "gateway/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace lotagate {
namespace {

std::optional<IpAddress> ip_of(const addrinfo& info) {
  IpAddress ip;
  if (info.ai_family == AF_INET) {
    ip.bytes[10] = ip.bytes[11] = 0xFF;
    std::memcpy(ip.bytes.data() + 12, &reinterpret_cast<const sockaddr_in*>(info.ai_addr)->sin_addr, 4);
    return ip;
  }
  if (info.ai_family == AF_INET6) {
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(info.ai_addr)->sin6_addr, 16);
    return ip;
  }
  return std::nullopt;
}

}  // namespace

bool is_name(const config::Url& url) { return !parse_ip(url.host); }

std::vector<SocketAddress> resolve(const config::Url& url) {
  if (auto ip = parse_ip(url.host)) return {SocketAddress{*ip, url.port}};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  if (getaddrinfo(url.host.c_str(), nullptr, &hints, &list) != 0) return {};
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  std::vector<SocketAddress> out;
  for (const addrinfo* item = list; item != nullptr && out.size() < kMaxAddresses; item = item->ai_next) {
    auto ip = ip_of(*item);
    if (!ip) continue;
    SocketAddress address{*ip, url.port};
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  }
  return out;
}

}  // namespace lotagate
