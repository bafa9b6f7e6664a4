// Bump allocator for what one exchange rewrites. Reset keeps the first block, so a steady state allocates nothing.
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace lotagate {

class Arena {
 public:
  // `first_block_bytes`: kept across resets; larger needs chain further blocks that reset() frees.
  explicit Arena(std::size_t first_block_bytes = 4096);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised bytes, aligned to max_align_t; valid until reset().
  std::byte* allocate(std::size_t bytes) {
    bytes = (bytes + kAlign - 1) & ~(kAlign - 1);
    if (bytes > static_cast<std::size_t>(end_ - at_)) [[unlikely]]
      add_block(bytes);
    return std::exchange(at_, at_ + bytes);
  }
  // A copy of `text` that lives until reset().
  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* out = reinterpret_cast<char*>(allocate(text.size()));
    std::memcpy(out, text.data(), text.size());
    return {out, text.size()};
  }
  // The parts written one after another.
  std::string_view concat(std::initializer_list<std::string_view> parts);
  void reset() noexcept {
    if (!further_.empty()) further_.clear();
    at_ = first_.get();
    end_ = at_ + first_block_bytes_;
  }

 private:
  static constexpr std::size_t kAlign = alignof(std::max_align_t);
  void add_block(std::size_t least_bytes);

  std::size_t first_block_bytes_;
  std::unique_ptr<std::byte[]> first_;
  std::vector<std::unique_ptr<std::byte[]>> further_;
  std::byte* at_;
  std::byte* end_;
};

}  // namespace lotagate
