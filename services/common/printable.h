// Texts of clients that are kept and shown: bounded, one line, ASCII.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace lotagate::services {

// How much of what a client sent is sent back to it.
inline constexpr std::size_t kMaxEchoBytes = 64;

// At most `max_bytes` of `text`, with ? for what is not printable ASCII.
inline std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string kept(text.substr(0, max_bytes));
  std::ranges::replace_if(kept, [](char c) { return c < ' ' || c > '~'; }, '?');
  return kept;
}

}  // namespace lotagate::services
