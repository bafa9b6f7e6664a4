// Always-on checks: a bug is not an error value. A failed check prints where and what, and aborts.
#pragma once

namespace lotagate {

[[noreturn]] void check_failed(const char* condition, const char* file, int line, const char* message) noexcept;

}  // namespace lotagate

#define LG_CHECK(condition, message)                                     \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::lotagate::check_failed(#condition, __FILE__, __LINE__, message); \
  } while (false)
