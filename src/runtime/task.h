// Task<T>: a lazy coroutine. Awaiting it starts it by symmetric transfer and resumes the awaiter with its value.
// Frames come from the worker's FramePool, found through the coroutine's parameters. A frame that is suspended in the
// middle is never destroyed: whatever it waits for completes with an Error and it unwinds by itself.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "base/check.h"
#include "runtime/frame_pool.h"

namespace lotagate {

template <typename T>
class Task;

namespace detail {

class TaskPromiseBase {
 public:
  template <typename... Args>
  static void* operator new(std::size_t bytes, Args&... args) {
    return frame_pool_of(args...).allocate(bytes);
  }
  static void operator delete(void* frame, std::size_t) noexcept { FramePool::release(frame); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return self.promise().awaiter_;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

  std::coroutine_handle<> awaiter_ = std::noop_coroutine();
  std::exception_ptr exception_;
};

template <typename T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    if (exception_) std::rethrow_exception(exception_);
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() {
    if (exception_) std::rethrow_exception(exception_);
  }
};

}  // namespace detail

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (!handle_) return;
    LG_CHECK(handle_.done(), "a task is destroyed before it is done");
    handle_.destroy();
  }

  class Awaiter {
   public:
    explicit Awaiter(Handle handle) noexcept : handle_(handle) {}
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
      handle_.promise().awaiter_ = awaiter;
      return handle_;
    }
    T await_resume() { return handle_.promise().take(); }

   private:
    Handle handle_;
  };
  // The task object stays alive in the awaiting frame until the value has been taken.
  Awaiter operator co_await() noexcept { return Awaiter(handle_); }

 private:
  Handle handle_;
};

namespace detail {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

// The root of a chain of tasks: runs at once, frees itself at its end. An exception that reaches it is a bug.
struct Root {
  struct promise_type {
    template <typename... Args>
    static void* operator new(std::size_t bytes, Args&... args) {
      return frame_pool_of(args...).allocate(bytes);
    }
    static void operator delete(void* frame, std::size_t) noexcept { FramePool::release(frame); }
    Root get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

template <HasFrames Owner>
Root run_root(Owner&, Task<void> task) {
  co_await task;
}

}  // namespace detail

// Starts `task` with nobody waiting for it. It must catch its own exceptions; `owner` outlives it.
template <HasFrames Owner>
void spawn(Owner& owner, Task<void> task) {
  detail::run_root(owner, std::move(task));
}

}  // namespace lotagate

// TRY for coroutines: leaves with the error of a Result<void>.
#define CO_TRY_VOID(...)                                                    \
  do {                                                                      \
    auto lg_void_result = (__VA_ARGS__);                                    \
    if (!lg_void_result) co_return std::unexpected(lg_void_result.error()); \
  } while (false)
