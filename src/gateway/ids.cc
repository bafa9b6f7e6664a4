#include "gateway/ids.h"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace lotagate {
namespace {

// Sixteen bytes that are computed on together: compilers have vectors for them on every machine.
using Bytes16 = std::uint8_t __attribute__((vector_size(16)));

void write_hex(char* out, std::uint64_t value) {
  // Two bytes per digit pair, the high digit first, then all sixteen digits at once.
  std::array<std::uint8_t, 16> bytes;
  auto network = std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
  std::memcpy(bytes.data(), &network, 8);
  std::memcpy(bytes.data() + 8, &network, 8);
  Bytes16 both = std::bit_cast<Bytes16>(bytes);
  Bytes16 twice = __builtin_shufflevector(both, both, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  constexpr Bytes16 kHigh = {255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0};
  Bytes16 digits = ((twice >> 4) & kHigh) | (twice & 15 & ~kHigh);
  Bytes16 letters = std::bit_cast<Bytes16>(digits > 9) & ('a' - '0' - 10);
  Bytes16 text = digits + '0' + letters;
  std::memcpy(out, &text, sizeof text);
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
