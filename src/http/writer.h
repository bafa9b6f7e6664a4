// Writes a message head into a fixed buffer. Overflow is remembered, not written.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace lotagate::http {

class HeadWriter {
 public:
  HeadWriter(char* out, std::size_t capacity) : begin_(out), at_(out), end_(out + capacity) {}

  void text(std::string_view part) {
    if (part.size() > static_cast<std::size_t>(end_ - at_)) {
      overflow_ = true;
      return;
    }
    if (!part.empty()) std::memcpy(at_, part.data(), part.size());
    at_ += part.size();
  }
  void number(std::uint64_t value) {
    char digits[20];
    auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    text({digits, static_cast<std::size_t>(end - digits)});
  }
  // `name` without colon.
  void field(std::string_view name, std::string_view value) {
    text(name);
    text(": ");
    text(value);
    text("\r\n");
  }
  void field(std::string_view name, std::uint64_t value) {
    text(name);
    text(": ");
    number(value);
    text("\r\n");
  }
  void end_of_head() { text("\r\n"); }

  bool overflowed() const { return overflow_; }
  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }
  std::size_t room() const { return static_cast<std::size_t>(end_ - at_); }
  std::string_view view() const { return {begin_, size()}; }

 private:
  char* begin_;
  char* at_;
  char* end_;
  bool overflow_ = false;
};

}  // namespace lotagate::http
