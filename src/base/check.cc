#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace lotagate {

void check_failed(const char* condition, const char* file, int line, const char* message) noexcept {
  std::fprintf(stderr, "lotagate: bug: %s (%s) at %s:%d\n", message, condition, file, line);
  std::abort();
}

}  // namespace lotagate
