// Free lists for coroutine frames, one pool per worker. A frame remembers its pool, so it can be freed from anywhere
// on the worker's thread; after warm-up no frame touches the heap.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace lotagate {

class FramePool {
 public:
  FramePool() = default;
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  // Memory for a frame of `bytes`; release() gives it back to the pool it came from.
  void* allocate(std::size_t bytes);
  static void release(void* frame) noexcept;
  // Frames alive now; zero when every coroutine has ended.
  std::size_t outstanding() const { return outstanding_; }

 private:
  struct Header {
    FramePool* pool;
    std::uint32_t size_class;
  };
  struct Free {
    Free* next;
  };
  // Classes of 128 bytes up to 4 KiB; a larger frame is a design error and goes to the heap.
  static constexpr std::size_t kClassBytes = 128;
  static constexpr std::size_t kClasses = 32;
  static constexpr std::size_t kHeaderBytes = 16;  // keeps frames aligned to max_align_t
  static_assert(sizeof(Header) <= kHeaderBytes);

  std::array<Free*, kClasses> free_{};
  std::size_t outstanding_ = 0;
};

// Whatever a coroutine takes as a parameter and knows a frame pool: the reactor, a connection, an exchange.
template <typename T>
concept HasFrames = requires(T& object) {
  { object.frames() } -> std::same_as<FramePool&>;
};

template <typename First, typename... Rest>
FramePool& frame_pool_of(First& first, Rest&... rest) {
  if constexpr (HasFrames<First>) {
    return first.frames();
  } else {
    static_assert(sizeof...(Rest) > 0, "a coroutine needs a parameter (or *this) with frames()");
    return frame_pool_of(rest...);
  }
}

}  // namespace lotagate
