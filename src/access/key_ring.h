// What all workers know about all issuers' keys at one moment. Immutable: a change is a new ring, handed to each
// worker.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "access/key_set.h"

namespace lotagate::access {

struct IssuerKeys {
  std::shared_ptr<const KeySet> keys;  // null: never fetched, or too old to be trusted
  std::uint64_t version = 0;           // raised with every change of `keys`; verdicts of other versions do not count
};

// Indexed like AuthenticationSettings::issuers.
struct KeyRing {
  std::vector<IssuerKeys> issuers;
};

}  // namespace lotagate::access
