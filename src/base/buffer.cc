#include "base/buffer.h"

#include "base/check.h"

namespace lotagate {

Buffer::~Buffer() {
  if (data_ != nullptr) pool_->give_back(data_, capacity_);
}

BufferPool::BufferPool(std::size_t keep_small, std::size_t keep_large)
    : keep_small_(keep_small), keep_large_(keep_large) {
  free_small_.reserve(keep_small);
  free_large_.reserve(keep_large);
}

BufferPool::~BufferPool() {
  LG_CHECK(outstanding_ == 0, "a buffer outlives its pool");
  for (char* data : free_small_) delete[] data;
  for (char* data : free_large_) delete[] data;
}

Buffer BufferPool::take(std::size_t bytes) {
  LG_CHECK(bytes <= kLargeBufferBytes, "a buffer larger than the largest size");
  bool small = bytes <= kSmallBufferBytes;
  auto& free_list = small ? free_small_ : free_large_;
  std::size_t capacity = small ? kSmallBufferBytes : kLargeBufferBytes;
  char* data;
  if (free_list.empty()) {
    data = new char[capacity];
  } else {
    data = free_list.back();
    free_list.pop_back();
  }
  ++outstanding_;
  return Buffer(this, data, capacity);
}

void BufferPool::give_back(char* data, std::size_t capacity) noexcept {
  --outstanding_;
  bool small = capacity == kSmallBufferBytes;
  auto& free_list = small ? free_small_ : free_large_;
  if (free_list.size() < (small ? keep_small_ : keep_large_)) {
    free_list.push_back(data);
  } else {
    delete[] data;
  }
}

}  // namespace lotagate
