#include "config/text_check.h"

#include <fmt/core.h>

namespace lotagate::config {
namespace {

bool is_allowed_control(std::string_view text) {
  return text.front() == '\t' || text.front() == '\n' || text.starts_with("\r\n");
}

}  // namespace

std::optional<YamlProblem> find_control_character(std::string_view text) {
  Position at;
  while (!text.empty()) {
    auto byte = static_cast<unsigned char>(text.front());
    if ((byte < 0x20 || byte == 0x7F) && !is_allowed_control(text)) {
      return YamlProblem{at, fmt::format("control character 0x{:02X}", byte)};
    }
    at.column += 1;
    if (byte == '\n') at = {at.line + 1, 1};
    text.remove_prefix(1);
  }
  return std::nullopt;
}

std::string shown(std::string_view text, std::size_t max_bytes) {
  std::string out;
  for (char c : text.substr(0, max_bytes)) out += c >= 0x20 && c < 0x7F ? c : '?';
  if (text.size() > max_bytes) out += "...";
  return out;
}

}  // namespace lotagate::config
