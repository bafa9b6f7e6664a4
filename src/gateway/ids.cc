#include "gateway/ids.h"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace lotagate {
namespace {

constexpr std::array<char, 512> kHexPairs = [] {
  constexpr char kHex[] = "0123456789abcdef";
  std::array<char, 512> pairs{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    pairs[2 * byte] = kHex[byte >> 4];
    pairs[2 * byte + 1] = kHex[byte & 15];
  }
  return pairs;
}();

void write_hex(char* out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8, out += 2) {
    std::memcpy(out, kHexPairs.data() + 2 * (value >> shift & 0xFF), 2);
  }
}

}  // namespace

IdSource::IdSource() {
  LG_CHECK(getrandom(state_, sizeof state_, 0) == sizeof state_, "the kernel gives no random bytes");
  state_[0] |= 1;  // the all-zero state is the generator's only fixed point
}

// xoroshiro128+ (Blackman, Vigna): unique, not secret; nothing is granted to who knows an id.
std::uint64_t IdSource::next() {
  std::uint64_t a = state_[0];
  std::uint64_t b = state_[1];
  std::uint64_t result = a + b;
  b ^= a;
  state_[0] = std::rotl(a, 24) ^ b ^ (b << 16);
  state_[1] = std::rotl(b, 37);
  return result;
}

std::string_view IdSource::id128(Arena& arena) {
  char* out = reinterpret_cast<char*>(arena.allocate(32));
  write_hex(out, next());
  write_hex(out + 16, next());
  return {out, 32};
}

std::string_view IdSource::id64(Arena& arena) {
  char* out = reinterpret_cast<char*>(arena.allocate(16));
  std::uint64_t value = next();
  write_hex(out, value == 0 ? 1 : value);
  return {out, 16};
}

}  // namespace lotagate
