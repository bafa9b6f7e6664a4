#include "runtime/frame_pool.h"

#include <new>

#include "base/check.h"

namespace lotagate {

FramePool::~FramePool() {
  LG_CHECK(outstanding_ == 0, "a coroutine outlives its worker");
  for (Free* list : free_) {
    while (list != nullptr) {
      Free* next = list->next;
      ::operator delete(list);
      list = next;
    }
  }
}

void* FramePool::allocate(std::size_t bytes) {
  std::size_t total = bytes + kHeaderBytes;
  std::size_t size_class = (total - 1) / kClassBytes;
  void* memory;
  if (size_class < kClasses && free_[size_class] != nullptr) {
    memory = free_[size_class];
    free_[size_class] = free_[size_class]->next;
  } else {
    memory = ::operator new(size_class < kClasses ? (size_class + 1) * kClassBytes : total);
  }
  ::new (memory) Header{this, static_cast<std::uint32_t>(size_class)};
  ++outstanding_;
  return static_cast<std::byte*>(memory) + kHeaderBytes;
}

void FramePool::release(void* frame) noexcept {
  void* memory = static_cast<std::byte*>(frame) - kHeaderBytes;
  Header header = *static_cast<Header*>(memory);
  --header.pool->outstanding_;
  if (header.size_class >= kClasses) {
    ::operator delete(memory);
    return;
  }
  Free*& list = header.pool->free_[header.size_class];
  list = ::new (memory) Free{list};
}

}  // namespace lotagate
