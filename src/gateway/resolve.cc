#include "gateway/resolve.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/sockaddr.h"

namespace lotagate {
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
    if (item->ai_family != AF_INET && item->ai_family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, item->ai_addr, item->ai_addrlen);
    SocketAddress address{from_sockaddr(storage).ip, url.port};
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  }
  return out;
}

}  // namespace lotagate
