// Reading small files whole.
#pragma once

#include <expected>
#include <string>

namespace lotagate::config {

// The bytes of a regular file of at most `max_bytes`, or why not, for a message. Never waits: a FIFO or a device is
// refused, for a reload must not hang on one.
std::expected<std::string, std::string> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace lotagate::config
