#include "base/address.h"

#include <gtest/gtest.h>

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

TEST(Address, RefusesAnEmbeddedNul) { EXPECT_FALSE(parse_ip(std::string_view("::1\0x", 5))); }

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
