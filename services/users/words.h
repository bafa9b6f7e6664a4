// Lists of words as one column: none has a space.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace lotagate::users {

inline std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    auto word = text.substr(0, text.find(' '));
    if (!word.empty()) words.emplace_back(word);
    text.remove_prefix(word.size() + (word.size() < text.size() ? 1 : 0));
  }
  return words;
}

// In order, each once.
inline std::vector<std::string> in_order(std::vector<std::string> words) {
  std::ranges::sort(words);
  auto again = std::ranges::unique(words);
  words.erase(again.begin(), again.end());
  return words;
}

inline std::string join_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

}  // namespace lotagate::users
