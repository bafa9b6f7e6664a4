// Writes a message head into a fixed buffer. Overflow is remembered, not written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/decimal.h"

namespace lotagate::http {

class HeadWriter {
 public:
  HeadWriter(char* out, std::size_t capacity) : begin_(out), at_(out), end_(out + capacity) {}

  // All parts one behind the other, or none of them: string views and literals. One look at the room serves all, and a
  // literal is copied by a few stores of known size, so what belongs together is best given together.
  template <typename... Parts>
  void text(Parts&&... parts) {
    std::size_t bytes = (size_of(parts) + ...);
    if (bytes > room()) {
      overflow_ = true;
      return;
    }
    char* at = at_;
    ((at = put(at, parts)), ...);
    at_ = at;
  }
  void number(std::uint64_t value) {
    if (room() >= kMaxDecimalBytes) {
      at_ = write_decimal(at_, value);
      return;
    }
    char digits[kMaxDecimalBytes];
    text(std::string_view(digits, static_cast<std::size_t>(write_decimal(digits, value) - digits)));
  }
  // `name` without colon.
  void field(std::string_view name, std::string_view value) { text(name, ": ", value, "\r\n"); }
  void field(std::string_view name, std::uint64_t value) {
    text(name, ": ");
    number(value);
    text("\r\n");
  }
  // A field of a message that was read: where its name and value lie side by side just as field() would write them, one
  // copy takes both.
  void relayed_field(std::string_view name, std::string_view value) {
    const char* between = name.data() + name.size();
    bool side_by_side = between + 2 == value.data() && between[0] == ':' && between[1] == ' ';
    if (side_by_side) {
      text(std::string_view(name.data(), name.size() + 2 + value.size()), "\r\n");
    } else {
      field(name, value);
    }
  }
  void end_of_head() { text("\r\n"); }

  bool overflowed() const { return overflow_; }
  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }
  std::size_t room() const { return static_cast<std::size_t>(end_ - at_); }
  std::string_view view() const { return {begin_, size()}; }

 private:
  static std::size_t size_of(std::string_view part) { return part.size(); }
  template <std::size_t N>
  static constexpr std::size_t size_of(const char (&)[N]) {
    return N - 1;
  }
  static char* put(char* at, std::string_view part) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    return at + part.size();
  }
  template <std::size_t N>
  static char* put(char* at, const char (&part)[N]) {
    std::memcpy(at, part, N - 1);
    return at + N - 1;
  }
  template <std::size_t N>
  static std::size_t size_of(char (&)[N]) = delete;  // an array that is written to is no literal

  char* begin_;
  char* at_;
  char* end_;
  bool overflow_ = false;
};

}  // namespace lotagate::http
