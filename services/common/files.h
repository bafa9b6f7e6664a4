// The few files a service owns: its data directory and its secrets. Failures throw StartupError.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lotagate::services {

// Creates `directory` (0700) if it is absent and proves that files can be made in it.
void prepare_data_directory(const std::string& directory);

// The whole file, or nothing if it does not exist.
std::optional<std::string> read_file(const std::string& path);

// Writes a new file that only its owner can read (0600). It appears complete or not at all, also after a crash.
void write_private_file(const std::string& path, std::string_view content);

// As above, unless there is a file of this name: then it stays as it is. Of several processes one wins.
void create_private_file(const std::string& path, std::string_view content);

}  // namespace lotagate::services
