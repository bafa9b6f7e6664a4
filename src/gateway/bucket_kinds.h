// The numbers under which buckets are counted, by limit and case.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "limit/bucket_table.h"

namespace lotagate {

// The same names have the same number for the life of the process. When all are used, further ones share the last.
class BucketKinds {
 public:
  std::uint16_t number(const std::string& policy, const std::string& value) {
    auto [kind, added] = kinds_.try_emplace({policy, value}, kinds_.size());
    return static_cast<std::uint16_t>(std::min(kind->second, limit::BucketTable::kMaxKinds - 1));
  }

 private:
  std::map<std::pair<std::string, std::string>, std::size_t> kinds_;
};

}  // namespace lotagate
