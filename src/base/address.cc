#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/host_port.h"
#include "base/text.h"

namespace lotagate {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

}  // namespace

bool IpAddress::is_v4() const { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin()); }

bool Network::contains(const IpAddress& address) const {
  std::size_t whole = prefix_bits / 8;
  if (!std::equal(ip.bytes.begin(), ip.bytes.begin() + static_cast<std::ptrdiff_t>(whole), address.bytes.begin())) {
    return false;
  }
  unsigned rest = prefix_bits % 8;
  if (rest == 0) return true;
  auto mask = static_cast<std::uint8_t>(0xFF << (8 - rest));
  return (ip.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  char zero_terminated[kMaxIpText];
  if (text.empty() || text.size() >= sizeof zero_terminated) return std::nullopt;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // inet_pton would stop there
  std::memcpy(zero_terminated, text.data(), text.size());
  zero_terminated[text.size()] = '\0';
  IpAddress ip;
  if (inet_pton(AF_INET, zero_terminated, ip.bytes.data() + 12) == 1) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), ip.bytes.begin());
    return ip;
  }
  if (inet_pton(AF_INET6, zero_terminated, ip.bytes.data()) == 1) return ip;
  return std::nullopt;
}

std::optional<SocketAddress> parse_socket_address(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto host = text.substr(0, colon);
  auto port_text = text.substr(colon + 1);
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto ip = parse_ip(host);
  auto port = parse_decimal(port_text);
  if (!ip || !port || *port > 65535 || port_text.size() > 5 || bracketed == ip->is_v4()) return std::nullopt;
  return SocketAddress{*ip, static_cast<std::uint16_t>(*port)};
}

std::optional<Network> parse_network(std::string_view text) {
  auto slash = text.find('/');
  auto ip = parse_ip(text.substr(0, slash));
  if (!ip) return std::nullopt;
  if (slash == std::string_view::npos) return Network{*ip, 128};
  auto bits = parse_decimal(text.substr(slash + 1));
  std::uint64_t most = ip->is_v4() ? 32 : 128;
  if (!bits || *bits > most) return std::nullopt;
  return Network{*ip, static_cast<std::uint8_t>(*bits + (128 - most))};
}

std::string_view format_ip(const IpAddress& ip, char* out) {
  const char* text = ip.is_v4() ? inet_ntop(AF_INET, ip.bytes.data() + 12, out, kMaxIpText)
                                : inet_ntop(AF_INET6, ip.bytes.data(), out, kMaxIpText);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string to_string(const IpAddress& ip) {
  char out[kMaxIpText];
  return std::string(format_ip(ip, out));
}

std::string to_string(const SocketAddress& address) { return host_and_port(to_string(address.ip), address.port); }

}  // namespace lotagate
