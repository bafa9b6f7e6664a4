// Whatever a key server sends: a set within its bounds, or a reason.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "access/key_set.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::access;
  auto set = parse_jwks({reinterpret_cast<const char*>(data), size});
  if (!set) {
    LG_CHECK(!set.error().empty(), "a refusal without a reason");
    return 0;
  }
  LG_CHECK(!set->keys().empty() && set->keys().size() + set->skipped().size() <= kMaxJwksKeys, "a set out of bounds");
  for (const auto& key : set->keys()) {
    LG_CHECK(key.kid().empty() || set->find(key.kid(), key.algorithm()) == &key, "a kid that finds another key");
    LG_CHECK(set->find_without_kid(key.algorithm()).count > 0, "a key that cannot be found");
  }
  return 0;
}
