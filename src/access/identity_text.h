// Which text from tokens and services may name somebody in a header field, a log or a URL.
#pragma once

#include <algorithm>
#include <string_view>

namespace lotagate::access {

// VCHAR of RFC 5234 only: nothing that ends a header field, a list or a line, and nothing with two encodings.
constexpr bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7F'; });
}

}  // namespace lotagate::access
