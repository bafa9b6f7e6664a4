#include "common/log.h"

#include <cstdio>
#include <string>

#include "base/text.h"

namespace lotagate::services {

void log_line(std::string_view line) noexcept {
  std::string escaped;
  append_json_escaped(escaped, line);
  escaped += '\n';
  std::fwrite(escaped.data(), 1, escaped.size(), stderr);
}

}  // namespace lotagate::services
