// What a shared limit does while its store does not answer.
#pragma once

#include <cstdint>

namespace lotagate::limit {

enum class StoreFailure : std::uint8_t {
  local,   // its own bucket: the limit divided by the gateways that were last seen
  closed,  // nothing passes
  open,    // everything passes, counted
};

}  // namespace lotagate::limit
