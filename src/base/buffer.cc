#include "base/buffer.h"

namespace lotagate {
namespace {

// Buffers that lie a power of two apart share their first bytes' places in the caches: with 64 requests in flight their
// heads pushed each other out. The odd line between them spreads the beginnings over all places.
constexpr std::size_t kSpreadBytes = 17 * 64;

}  // namespace

BufferPool::BufferPool(std::size_t keep_small, std::size_t keep_large)
    : keep_small_(keep_small), keep_large_(keep_large) {
  free_small_.reserve(keep_small + 1);
  free_large_.reserve(keep_large + 1);
}

BufferPool::~BufferPool() {
  LG_CHECK(outstanding_ == 0, "a buffer outlives its pool");
  for (char* data : free_small_) delete[] data;
  for (char* data : free_large_) delete[] data;
}

char* BufferPool::allocate(std::size_t bytes) {
  std::size_t capacity = bytes <= kSmallBufferBytes ? kSmallBufferBytes : kLargeBufferBytes;
  return new char[capacity + kSpreadBytes];
}

void BufferPool::free_last(std::vector<char*>& free_list) noexcept {
  delete[] free_list.back();
  free_list.pop_back();
}

}  // namespace lotagate
