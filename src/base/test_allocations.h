// Counts heap allocations with the operators of the whole test program. To be included by one file of a program: it
// defines the global operators new and delete.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace lotagate::test_allocations {

// Atomic: other threads of a test may run beside the one that counts.
inline std::atomic<bool> counting{false};
inline std::atomic<std::size_t> allocations{0};

inline void* count_and_allocate(std::size_t size) noexcept {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size);
}

inline void* count_and_allocate_or_throw(std::size_t size) {
  if (void* bytes = count_and_allocate(size)) return bytes;
  throw std::bad_alloc();
}

inline void* count_and_align(std::size_t size, std::align_val_t alignment) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  auto unit = static_cast<std::size_t>(alignment);
  if (void* bytes = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) return bytes;
  throw std::bad_alloc();
}

}  // namespace lotagate::test_allocations

void* operator new(std::size_t size) { return lotagate::test_allocations::count_and_allocate_or_throw(size); }
void* operator new[](std::size_t size) { return lotagate::test_allocations::count_and_allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return lotagate::test_allocations::count_and_allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return lotagate::test_allocations::count_and_allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return lotagate::test_allocations::count_and_align(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return lotagate::test_allocations::count_and_align(size, alignment);
}
void operator delete(void* bytes) noexcept { std::free(bytes); }
void operator delete[](void* bytes) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::size_t) noexcept { std::free(bytes); }
void operator delete[](void* bytes, std::size_t) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::align_val_t) noexcept { std::free(bytes); }
void operator delete[](void* bytes, std::align_val_t) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::size_t, std::align_val_t) noexcept { std::free(bytes); }
void operator delete[](void* bytes, std::size_t, std::align_val_t) noexcept { std::free(bytes); }
