// From a YAML file to a checked Config, or to every mistake in it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace lotagate::config {

struct ConfigError {
  std::string file;
  int line = 1;  // 1-based, as `column`, which counts bytes
  int column = 1;
  std::string message;
  bool operator==(const ConfigError&) const = default;
};

// "FILE:LINE:COLUMN: error: MESSAGE", the form that compilers use and editors jump to.
std::string to_string(const ConfigError& error);

// The configuration's warnings in the same form, with "warning" in place of "error".
std::vector<std::string> warning_lines(const Config& config);

// A larger file is refused unread.
inline constexpr std::size_t kMaxConfigBytes = 1024ull * 1024;

// Reads and checks a whole configuration, with the files it names (key sets, the service token); relative names are
// relative to the configuration's folder. What may be meant but is dangerous goes to `warnings`. On failure: all
// mistakes in the order of the file, at least one. Only YAML that cannot be read as a tree ends the search early.
// Blocks on the disk; never throws for what a file can hold.
std::expected<Config, std::vector<ConfigError>> load_config(const std::string& path);

// The same for text at hand; `file_name` is for messages and for the folder of relative names.
std::expected<Config, std::vector<ConfigError>> load_config_text(std::string_view text, const std::string& file_name);

}  // namespace lotagate::config
