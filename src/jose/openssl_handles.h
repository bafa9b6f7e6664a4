// What the .cc files of this folder share when they talk to OpenSSL; free of OpenSSL's own headers.
#pragma once

#include <string_view>

namespace lotagate::jose {

// The deleter of a unique_ptr that owns one of OpenSSL's objects.
template <auto Function>
struct Freer {
  template <typename T>
  void operator()(T* value) const noexcept {
    Function(value);
  }
};

// A failure meanwhile leaves nothing in OpenSSL's queue for the next TLS call of this thread to trip over.
class ErrorQueueGuard {
 public:
  ErrorQueueGuard();
  ~ErrorQueueGuard();
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
};

inline const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace lotagate::jose
