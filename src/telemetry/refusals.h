// How often callers were refused, by reason. One writer, any readers; no allocation.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace lotagate::telemetry {

// Distinct {code, reason} of one worker: there are some eighty such reasons in the program. Further ones count as a
// reason of their own.
inline constexpr std::size_t kMaxRefusalSeries = 160;
inline constexpr std::string_view kOtherRefusal = "other";

class RefusalCounters {
 public:
  // Whether refusals of this kind are told apart by reason: those about the caller, whose reasons are all literals.
  static bool counts(ErrorCode code) noexcept;

  // `reason` must be a literal: it is kept, and becomes a label. Worker only.
  void add(ErrorCode code, std::string_view reason) noexcept {
    for (std::size_t i = 0; i < kMaxRefusalSeries; ++i) {
      Series& series = series_[i];
      const char* text = series.reason.load(std::memory_order_relaxed);
      if (text == nullptr) {
        begin(series, code, i + 1 == kMaxRefusalSeries ? kOtherRefusal : reason);
        return;
      }
      bool same = text == reason.data() && series.code == code;
      if (same || i + 1 == kMaxRefusalSeries) {
        bump(series);
        return;
      }
    }
  }

  // Any thread; a pair may come more than once. `each(ErrorCode, reason, count)`.
  template <typename Each>
  void for_each(Each&& each) const {
    for (const Series& series : series_) {
      const char* text = series.reason.load(std::memory_order_acquire);
      if (text == nullptr) return;
      each(series.code, std::string_view(text, series.bytes), series.count.load(std::memory_order_relaxed));
    }
  }

 private:
  struct Series {
    std::atomic<const char*> reason{nullptr};  // published last
    std::size_t bytes = 0;
    ErrorCode code{};
    std::atomic<std::uint64_t> count{0};
  };

  static void bump(Series& series) noexcept {
    series.count.store(series.count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  static void begin(Series& series, ErrorCode code, std::string_view reason) noexcept {
    series.bytes = reason.size();
    series.code = code;
    bump(series);
    series.reason.store(reason.data(), std::memory_order_release);
  }

  std::array<Series, kMaxRefusalSeries> series_;
};

inline bool RefusalCounters::counts(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::missing_token:
    case ErrorCode::invalid_token:
    case ErrorCode::expired_token:
    case ErrorCode::forbidden:
    case ErrorCode::keys_unavailable:
    case ErrorCode::authorization_unavailable: return true;
    default: return false;
  }
}

}  // namespace lotagate::telemetry
