#include "base/hash.h"

#include <sys/random.h>
#include <xxhash.h>

#include "base/check.h"

namespace lotagate {

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t process_hash_seed() noexcept {
  static const std::uint64_t seed = [] {
    std::uint64_t value = 0;
    LG_CHECK(getrandom(&value, sizeof value, 0) == sizeof value, "the kernel gives no random bytes");
    return value;
  }();
  return seed;
}

}  // namespace lotagate
