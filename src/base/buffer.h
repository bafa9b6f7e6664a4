// Fixed-size byte buffers from a per-worker pool. A buffer's bytes never move; the pool outlives its buffers.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace lotagate {

class BufferPool;

// Owning handle; empty when default-constructed or moved from.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Buffer() { release(); }

  explicit operator bool() const { return data_ != nullptr; }
  char* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }
  // Gives the bytes back to the pool now.
  void release();

 private:
  friend class BufferPool;
  Buffer(BufferPool* pool, char* data, std::size_t capacity) : pool_(pool), data_(data), capacity_(capacity) {}
  void swap(Buffer& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
  }
  BufferPool* pool_ = nullptr;
  char* data_ = nullptr;
  std::size_t capacity_ = 0;
};

// Two sizes: one for heads and small bodies, one for large heads and streaming windows.
inline constexpr std::size_t kSmallBufferBytes = 16 * 1024;
inline constexpr std::size_t kLargeBufferBytes = 64 * 1024;

// Single-threaded; last in, first out, so that a busy worker keeps touching the same cache lines.
class BufferPool {
 public:
  // Keeps at most these many free buffers of each size; more are freed on return.
  explicit BufferPool(std::size_t keep_small = 256, std::size_t keep_large = 64);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A buffer of at least `bytes`, at most kLargeBufferBytes.
  Buffer take(std::size_t bytes = kSmallBufferBytes) {
    LG_CHECK(bytes <= kLargeBufferBytes, "a buffer larger than the largest size");
    bool small = bytes <= kSmallBufferBytes;
    FreeList& free_list = small ? free_small_ : free_large_;
    char* data = free_list.count > 0 ? free_list.buffers[--free_list.count] : allocate(bytes);
    ++outstanding_;
    return Buffer(this, data, small ? kSmallBufferBytes : kLargeBufferBytes);
  }
  // Buffers handed out and not yet returned.
  std::size_t outstanding() const { return outstanding_; }

 private:
  friend class Buffer;
  void give_back(char* data, std::size_t capacity) noexcept {
    --outstanding_;
    bool small = capacity == kSmallBufferBytes;
    FreeList& free_list = small ? free_small_ : free_large_;
    if (free_list.count < free_list.most) {
      free_list.buffers[free_list.count++] = data;
    } else {
      delete[] data;
    }
  }
  static char* allocate(std::size_t bytes);

  struct FreeList {
    explicit FreeList(std::size_t keep) : buffers(std::make_unique_for_overwrite<char*[]>(keep)), most(keep) {}
    ~FreeList();
    FreeList(const FreeList&) = delete;
    FreeList& operator=(const FreeList&) = delete;
    std::unique_ptr<char*[]> buffers;
    std::size_t count = 0;
    std::size_t most;
  };
  std::size_t outstanding_ = 0;
  FreeList free_small_;
  FreeList free_large_;
};

inline void Buffer::release() {
  if (data_ == nullptr) return;
  pool_->give_back(std::exchange(data_, nullptr), std::exchange(capacity_, 0));
}

}  // namespace lotagate
