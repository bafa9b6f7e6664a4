#include "limit/limit_key.h"

#include <gtest/gtest.h>

#include <string>

namespace lotagate::limit {
namespace {

IpAddress ip(std::string_view text) { return parse_ip(text).value(); }

std::uint64_t user_key(std::uint64_t seed, std::string_view subject) {
  return limit_key(seed, KeyDomain::user, subject);
}
std::uint64_t address_key(std::uint64_t seed, const IpAddress& address) {
  return limit_key(seed, KeyDomain::address, address_value(address));
}

TEST(LimitKey, IsStableWithinAProcessAndDiffersByPolicy) {
  EXPECT_EQ(policy_seed("per_user"), policy_seed("per_user"));
  EXPECT_NE(policy_seed("per_user"), policy_seed("per_address"));
  std::uint64_t a = policy_seed("a");
  std::uint64_t b = policy_seed("b");
  EXPECT_EQ(user_key(a, "u1"), user_key(a, "u1"));
  EXPECT_NE(user_key(a, "u1"), user_key(a, "u2"));
  EXPECT_NE(user_key(a, "u1"), user_key(b, "u1"));
}

TEST(LimitKey, TakesIpv4WholeAndIpv6ByItsSubnet) {
  std::uint64_t seed = policy_seed("p");
  EXPECT_NE(address_key(seed, ip("10.0.0.1")), address_key(seed, ip("10.0.0.2")));
  EXPECT_EQ(address_key(seed, ip("2001:db8:1:2::1")), address_key(seed, ip("2001:db8:1:2:ffff:ffff:ffff:ffff")));
  EXPECT_NE(address_key(seed, ip("2001:db8:1:2::1")), address_key(seed, ip("2001:db8:1:3::1")));
  EXPECT_EQ(address_key(seed, ip("::ffff:10.0.0.1")), address_key(seed, ip("10.0.0.1")));
}

TEST(LimitKey, ASubjectMadeOfAddressBytesIsNotThatAddress) {
  std::uint64_t seed = policy_seed("p");
  EXPECT_NE(user_key(seed, std::string("\x0a\x00\x00\x01", 4)), address_key(seed, ip("10.0.0.1")));
}

TEST(LimitKey, SeveralValuesTogetherAreAKeyOfTheirOwn) {
  auto both = [](KeyDomain first, std::string_view a, KeyDomain second, std::string_view b) {
    return limit_key(limit_key(policy_seed("p"), first, a), second, b);
  };
  std::uint64_t key = both(KeyDomain::tenant, "t1", KeyDomain::route, "/a");
  EXPECT_NE(key, both(KeyDomain::tenant, "t1", KeyDomain::route, "/b"));
  EXPECT_NE(key, both(KeyDomain::tenant, "t2", KeyDomain::route, "/a"));
  EXPECT_NE(key, both(KeyDomain::tenant, "t1/", KeyDomain::route, "a")) << "the border counts";
  EXPECT_NE(key, both(KeyDomain::user, "t1", KeyDomain::route, "/a"));
  EXPECT_NE(key, both(KeyDomain::route, "/a", KeyDomain::tenant, "t1"));
}

}  // namespace
}  // namespace lotagate::limit
