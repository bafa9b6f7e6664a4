// A warning that a failing neighbour would otherwise repeat for every request.
#pragma once

#include <cstdint>
#include <utility>

#include "base/clock.h"

namespace lotagate {

// Of one thread.
class SparseWarning {
 public:
  // Whether to write it now: the first time, and then once in 10 s at most.
  bool due(MonotonicTime now) {
    if (written_ && now - written_at_ < seconds(10)) {
      ++left_out_;
      return false;
    }
    written_ = true;
    written_at_ = now;
    return true;
  }
  // How often it was not written since it last was.
  std::uint64_t take_left_out() { return std::exchange(left_out_, 0); }

 private:
  bool written_ = false;
  MonotonicTime written_at_;
  std::uint64_t left_out_ = 0;
};

}  // namespace lotagate
