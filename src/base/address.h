// IP addresses, sockets' addresses and networks as values. Parsing and printing only, no look-ups.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lotagate {

// An IPv4 address is kept in its mapped form (::ffff:a.b.c.d), so that one comparison serves both families.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  bool is_v4() const;
  auto operator<=>(const IpAddress&) const = default;
};

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;
  auto operator<=>(const SocketAddress&) const = default;
};

// A network of a CIDR, e.g. 10.0.0.0/8 or fd00::/8.
struct Network {
  IpAddress ip;
  std::uint8_t prefix_bits = 128;  // counted on the mapped form: 10.0.0.0/8 is 104
  bool contains(const IpAddress& address) const;
  bool operator==(const Network&) const = default;
};

// "127.0.0.1", "::1" (no brackets, no zone).
std::optional<IpAddress> parse_ip(std::string_view text);
// "127.0.0.1:80", "[::1]:80"; the port is required, 0 means any.
std::optional<SocketAddress> parse_socket_address(std::string_view text);
// "10.0.0.0/8", or a single address.
std::optional<Network> parse_network(std::string_view text);

// Longest text form: 45 characters of IPv6.
inline constexpr std::size_t kMaxIpText = 46;
// Writes the address to `out` (at least kMaxIpText bytes) and returns what was written.
std::string_view format_ip(const IpAddress& ip, char* out);
std::string to_string(const IpAddress& ip);
// "127.0.0.1:80", "[::1]:80".
std::string to_string(const SocketAddress& address);

}  // namespace lotagate
