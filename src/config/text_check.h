// Checks on a configuration's characters, and how its texts are shown in messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/yaml.h"

namespace lotagate::config {

// The first control character other than tab, LF and CR before LF. Some of them (NUL, EOT) end yaml-cpp's input early,
// and half a configuration must not load.
std::optional<YamlProblem> find_control_character(std::string_view text);

inline constexpr std::size_t kMaxShownBytes = 60;

// `text` for a message: cut, and anything but printable ASCII replaced, so that a message stays one line.
std::string shown(std::string_view text, std::size_t max_bytes = kMaxShownBytes);

}  // namespace lotagate::config
