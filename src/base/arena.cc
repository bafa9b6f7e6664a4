#include "base/arena.h"

#include <algorithm>
#include <cstring>

namespace lotagate {

Arena::Arena(std::size_t first_block_bytes)
    : first_block_bytes_(first_block_bytes),
      first_(std::make_unique_for_overwrite<std::byte[]>(first_block_bytes)),
      at_(first_.get()),
      end_(at_ + first_block_bytes) {}

std::byte* Arena::allocate(std::size_t bytes) {
  constexpr std::size_t kAlign = alignof(std::max_align_t);
  bytes = (bytes + kAlign - 1) & ~(kAlign - 1);
  if (bytes > static_cast<std::size_t>(end_ - at_)) {
    std::size_t block_bytes = std::max(bytes, first_block_bytes_);
    further_.push_back(std::make_unique_for_overwrite<std::byte[]>(block_bytes));
    at_ = further_.back().get();
    end_ = at_ + block_bytes;
  }
  std::byte* result = at_;
  at_ += bytes;
  return result;
}

std::string_view Arena::copy(std::string_view text) { return concat({text}); }

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

void Arena::reset() noexcept {
  further_.clear();
  at_ = first_.get();
  end_ = at_ + first_block_bytes_;
}

}  // namespace lotagate
