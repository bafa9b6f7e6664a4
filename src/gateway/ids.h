// Request, trace and span ids: random, per worker, printed as hex.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/arena.h"

namespace lotagate {

class IdSource {
 public:
  // Seeded from the kernel.
  IdSource();
  // 32 lower-case hex digits in `arena`.
  std::string_view id128(Arena& arena);
  // 16 lower-case hex digits in `arena`; never all zero.
  std::string_view id64(Arena& arena);

 private:
  std::uint64_t next();
  std::uint64_t state_[2];
};

}  // namespace lotagate
