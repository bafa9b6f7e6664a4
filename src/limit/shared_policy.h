// A bucket that several gateways share, as all of them know it.
#pragma once

#include <string>

#include "limit/bucket.h"
#include "limit/store_failure.h"

namespace lotagate::limit {

struct SharedPolicy {
  std::string name;     // part of the bucket's key in the store: the limit, and `/` and its case
  BucketPolicy bucket;  // its debt is what settling may put the shared bucket below empty
  StoreFailure on_failure = StoreFailure::local;
  bool operator==(const SharedPolicy&) const = default;
};

}  // namespace lotagate::limit
