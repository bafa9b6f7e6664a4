#include "base/arena.h"

#include <algorithm>
#include <cstring>

namespace lotagate {

Arena::Arena(std::size_t first_block_bytes)
    : first_block_bytes_(first_block_bytes),
      first_(std::make_unique_for_overwrite<std::byte[]>(first_block_bytes)),
      at_(first_.get()),
      end_(at_ + first_block_bytes) {}

void Arena::add_block(std::size_t least_bytes) {
  std::size_t block_bytes = std::max(least_bytes, first_block_bytes_);
  further_.push_back(std::make_unique_for_overwrite<std::byte[]>(block_bytes));
  at_ = further_.back().get();
  end_ = at_ + block_bytes;
}

std::string_view Arena::concat(std::initializer_list<std::string_view> parts) {
  std::size_t total = 0;
  for (auto part : parts) total += part.size();
  if (total == 0) return {};
  char* out = reinterpret_cast<char*>(allocate(total));
  char* at = out;
  for (auto part : parts) {
    if (part.empty()) continue;
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return {out, total};
}

}  // namespace lotagate
