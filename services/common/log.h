// Lines on standard error.
#pragma once

#include <string_view>

namespace lotagate::services {

// Writes `line` and a line feed at once; control characters in it leave escaped, so it stays one line whoever chose its
// text. Never throws: a reader of the log that went away is no reason to fail a request.
void log_line(std::string_view line) noexcept;

}  // namespace lotagate::services
