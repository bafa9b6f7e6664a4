#include "base/buffer.h"

namespace lotagate {
namespace {

// Buffers that lie a power of two apart share their first bytes' places in the caches: with 64 requests in flight their
// heads pushed each other out. The odd line between them spreads the beginnings over all places.
constexpr std::size_t kSpreadBytes = 17 * 64;

}  // namespace

BufferPool::FreeList::~FreeList() {
  for (std::size_t i = 0; i < count; ++i) delete[] buffers[i];
}

BufferPool::BufferPool(std::size_t keep_small, std::size_t keep_large)
    : free_small_(keep_small), free_large_(keep_large) {}

BufferPool::~BufferPool() { LG_CHECK(outstanding_ == 0, "a buffer outlives its pool"); }

char* BufferPool::allocate(std::size_t bytes) {
  std::size_t capacity = bytes <= kSmallBufferBytes ? kSmallBufferBytes : kLargeBufferBytes;
  return new char[capacity + kSpreadBytes];
}

}  // namespace lotagate
