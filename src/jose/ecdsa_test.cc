#include "jose/ecdsa.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>

#include <memory>
#include <string>

namespace lotagate::jose {
namespace {

// What OpenSSL makes of the same two numbers.
std::string openssl_der(const std::string& r, const std::string& s) {
  auto number = [](const std::string& bytes) {
    return BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr);
  };
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(), ECDSA_SIG_free);
  ECDSA_SIG_set0(signature.get(), number(r), number(s));
  unsigned char buffer[160];
  unsigned char* end = buffer;
  return {buffer, buffer + i2d_ECDSA_SIG(signature.get(), &end)};
}

// A number of `bytes` bytes that begins with `zeros` zeros and then with `first`.
std::string number_with(std::size_t bytes, std::size_t zeros, char first) {
  std::string out(bytes, '\x01');
  for (std::size_t i = 0; i < zeros; ++i) out[i] = '\0';
  out[zeros] = first;
  return out;
}

TEST(Ecdsa, DerIsWhatOpenSslWrites) {  // numbers of every length, with and without the top bit: both forms of a length
  for (std::size_t bytes : {32, 48, 66}) {
    const std::string order(bytes, '\xFF');
    for (std::size_t r_zeros = 0; r_zeros < bytes; ++r_zeros) {
      for (std::size_t s_zeros : {std::size_t{0}, std::size_t{1}, r_zeros, bytes - 1}) {
        for (char first : {'\x01', '\x7F', '\x80', '\xFE'}) {
          auto r = number_with(bytes, r_zeros, first);
          auto s = number_with(bytes, s_zeros, '\x7F');
          auto der = ecdsa_to_der(r + s, order);
          ASSERT_TRUE(der);
          ASSERT_EQ(*der, openssl_der(r, s)) << bytes << " " << r_zeros << " " << s_zeros;
        }
      }
    }
  }
}

TEST(Attack, J07_NumbersBeyondTheOrder) {
  const std::string order("\xF0\x10\x00\x80", 4);
  const std::string one("\0\0\0\1", 4);
  const std::string last("\xF0\x10\x00\x7F", 4);
  const std::string zero(4, '\0');
  EXPECT_TRUE(ecdsa_to_der(one + last, order));
  EXPECT_TRUE(ecdsa_to_der(last + one, order));
  for (const auto& bad :
       {zero, order, std::string("\xF0\x10\x00\x81", 4), std::string("\xF0\x10\x01\x00", 4), std::string(4, '\xFF')}) {
    EXPECT_FALSE(ecdsa_to_der(bad + one, order));
    EXPECT_FALSE(ecdsa_to_der(one + bad, order));
  }
  for (std::size_t size : {0, 1, 4, 7, 9, 12, 16}) EXPECT_FALSE(ecdsa_to_der(std::string(size, '\1'), order)) << size;
}

}  // namespace
}  // namespace lotagate::jose
