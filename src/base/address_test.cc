#include "base/address.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <initializer_list>
#include <string_view>

#include "base/host_port.h"
#include "base/sockaddr.h"

namespace lotagate {
namespace {

TEST(Address, RoundTripsBothFamilies) {
  for (auto text : {"127.0.0.1:80", "[::1]:8080", "[2001:db8::7]:0"}) {
    auto address = parse_socket_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(to_string(*address), text);
  }
}

TEST(Address, RefusesWhatIsNotAnAddress) {
  for (auto text : {"", "127.0.0.1", "localhost:80", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80",
                    "127.0.0.1:+80", "127.0.0.1:000080"}) {
    EXPECT_FALSE(parse_socket_address(text)) << text;
  }
}

TEST(HostPort, AnAddressWithColonsStandsInBrackets) {
  EXPECT_EQ(host_and_port("localhost", 7001), "localhost:7001");
  EXPECT_EQ(host_and_port("127.0.0.1", 80), "127.0.0.1:80");
  EXPECT_EQ(host_and_port("::1", 65535), "[::1]:65535");
}

TEST(Address, RefusesAnEmbeddedNul) { EXPECT_FALSE(parse_ip(std::string_view("::1\0x", 5))); }

TEST(Sockaddr, RoundTripsBothFamilies) {
  struct Case {
    std::string_view text;
    int family;
    socklen_t bytes;
  };
  for (const Case& c : std::initializer_list<Case>{{"127.0.0.1:80", AF_INET, sizeof(sockaddr_in)},
                                                   {"[::1]:8080", AF_INET6, sizeof(sockaddr_in6)},
                                                   {"[2001:db8::7]:65535", AF_INET6, sizeof(sockaddr_in6)}}) {
    sockaddr_storage storage;
    EXPECT_EQ(to_sockaddr(*parse_socket_address(c.text), storage), c.bytes) << c.text;
    EXPECT_EQ(storage.ss_family, c.family) << c.text;
    EXPECT_EQ(to_string(from_sockaddr(storage)), c.text);
  }
  sockaddr_storage local{};
  local.ss_family = AF_UNIX;
  EXPECT_EQ(from_sockaddr(local), SocketAddress{});
}

TEST(Network, ContainsByPrefix) {
  auto ten = parse_network("10.0.0.0/8");
  ASSERT_TRUE(ten);
  EXPECT_TRUE(ten->contains(*parse_ip("10.255.1.2")));
  EXPECT_FALSE(ten->contains(*parse_ip("11.0.0.1")));
  EXPECT_TRUE(parse_network("192.168.4.0/22")->contains(*parse_ip("192.168.7.255")));
  EXPECT_FALSE(parse_network("192.168.4.0/22")->contains(*parse_ip("192.168.8.0")));
  EXPECT_TRUE(parse_network("fd00::/8")->contains(*parse_ip("fd12::1")));
  EXPECT_TRUE(parse_network("::1")->contains(*parse_ip("::1")));
  EXPECT_FALSE(parse_network("10.0.0.0/33"));
}

}  // namespace
}  // namespace lotagate
