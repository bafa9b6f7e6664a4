#include "limit/key_names.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>

namespace lotagate::limit {
namespace {

using namespace std::string_literals;

// As BucketName::identity() writes it.
std::string part(KeyDomain domain, const std::string& value) {
  std::string out(1, static_cast<char>(domain));
  for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>(value.size() >> shift);
  return out + value;
}

// From the reference implementation: key 00 01 ... 0f, message 00 01 ... 07.
constexpr std::array<std::uint64_t, 2> kSecret{0x0706050403020100, 0x0f0e0d0c0b0a0908};
constexpr std::uint64_t kWord = 0x0706050403020100;

TEST(KeyNames, HashesAsSipHashDoes) { EXPECT_EQ(siphash(kSecret, kWord), 0x93f5f5799a932462); }

TEST(KeyNames, HidesValueAndKey) {
  KeyNames names(kSecret);
  EXPECT_EQ(names.hidden(kWord, part(KeyDomain::user, "alice")), "user:93f5f5799a932462");
  EXPECT_EQ(names.hidden(kWord, part(KeyDomain::tenant, "t1") + part(KeyDomain::route, "/a")),
            "tenant+route:93f5f5799a932462");
  EXPECT_NE(names.hidden(1, part(KeyDomain::user, "a")), names.hidden(2, part(KeyDomain::user, "a")));
}

TEST(KeyNames, EveryProcessHasItsOwn) {
  std::string identity = part(KeyDomain::user, "alice");
  KeyNames mine;
  KeyNames other;
  EXPECT_EQ(mine.hidden(1, identity), mine.hidden(1, identity));
  EXPECT_NE(mine.hidden(1, identity), other.hidden(1, identity));
}

TEST(KeyNames, SaysValuesInClear) {
  EXPECT_EQ(clear_name(part(KeyDomain::user, "alice")), "user:alice");
  EXPECT_EQ(clear_name(part(KeyDomain::tenant, "t1") + part(KeyDomain::route, "/a")), "tenant:t1 route:/a");
  EXPECT_EQ(clear_name(part(KeyDomain::address, "\xC0\x00\x02\x07"s)), "address:192.0.2.7");
  EXPECT_EQ(clear_name(part(KeyDomain::address, "\x20\x01\x0d\xb8\x00\x00\x00\x00"s)), "address:2001:db8::/64");
  EXPECT_EQ(clear_name(part(KeyDomain::header, "a\"b\n")), "header:a\"b\n");
}

TEST(KeyNames, ReadsWhatIsLeftOfALongIdentity) {
  std::string whole = part(KeyDomain::user, "alice") + part(KeyDomain::claim, "a long value");
  EXPECT_EQ(clear_name(whole.substr(0, whole.size() - 6), true), "user:alice claim:a long...");
  EXPECT_EQ(clear_name(whole.substr(0, 13), true), "user:alice...");
  EXPECT_EQ(KeyNames(kSecret).hidden(kWord, whole.substr(0, 13)), "user:93f5f5799a932462");
}

// An address that was cut away is shown as far as it is known, never read beyond.
TEST(KeyNames, ReadsNoFurtherThanTheIdentity) {
  std::string whole = part(KeyDomain::user, "a") + part(KeyDomain::address, "\xC0\x00\x02\x07"s);
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    clear_name(whole.substr(0, bytes), true);
    KeyNames(kSecret).hidden(1, whole.substr(0, bytes));
  }
}

}  // namespace
}  // namespace lotagate::limit
