// Bump allocator for what one exchange rewrites. Reset keeps the first block, so a steady state allocates nothing.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace lotagate {

class Arena {
 public:
  // `first_block_bytes`: kept across resets; larger needs chain further blocks that reset() frees.
  explicit Arena(std::size_t first_block_bytes = 4096);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised bytes, aligned to max_align_t; valid until reset().
  std::byte* allocate(std::size_t bytes);
  // A copy of `text` that lives until reset().
  std::string_view copy(std::string_view text);
  // The parts written one after another.
  std::string_view concat(std::initializer_list<std::string_view> parts);
  void reset() noexcept;

 private:
  std::size_t first_block_bytes_;
  std::unique_ptr<std::byte[]> first_;
  std::vector<std::unique_ptr<std::byte[]>> further_;
  std::byte* at_;
  std::byte* end_;
};

}  // namespace lotagate
