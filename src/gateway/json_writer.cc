#include "gateway/json_writer.h"

#include <fmt/chrono.h>

namespace lotagate {

void JsonWriter::time(std::string_view name, WallTime value) {
  auto whole = std::chrono::floor<seconds>(value);
  text(name, fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(whole))));
}

}  // namespace lotagate
