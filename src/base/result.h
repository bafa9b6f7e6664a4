// Result<T>: a value or an Error. TRY unwraps one or returns its error.
#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace lotagate {

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, Origin origin, std::string_view reason) {
  return std::unexpected(Error{.code = code, .origin = origin, .reason = reason});
}

}  // namespace lotagate

#define LG_CONCAT_(a, b) a##b
#define LG_CONCAT(a, b) LG_CONCAT_(a, b)

// TRY(name, expression): `auto name = value`, or return the error.
#define TRY(name, ...)                                                                     \
  auto LG_CONCAT(name, _result) = (__VA_ARGS__);                                           \
  if (!LG_CONCAT(name, _result)) return std::unexpected(LG_CONCAT(name, _result).error()); \
  auto name = std::move(*LG_CONCAT(name, _result))

// TRY_VOID(expression): for Result<void>.
#define TRY_VOID(...)                                                    \
  do {                                                                   \
    auto lg_void_result = (__VA_ARGS__);                                 \
    if (!lg_void_result) return std::unexpected(lg_void_result.error()); \
  } while (false)
