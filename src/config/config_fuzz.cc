// Any text either loads or is refused with messages that are one line each; nothing crashes, hangs or grows.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "config/load.h"

using namespace lotagate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = config::load_config_text(text, "/nonexistent/fuzz.yaml");
  if (config) {
    LG_CHECK(!config->listeners.empty() && !config->services.empty() && !config->routes.empty(),
             "half a configuration");
    return 0;
  }
  LG_CHECK(!config.error().empty(), "a failure without a message");
  for (const config::ConfigError& error : config.error()) {
    LG_CHECK(error.line > 0 && error.column > 0 && !error.message.empty(), "a message without a place");
    LG_CHECK(error.message.find('\n') == std::string::npos, "a message of several lines");
  }
  return 0;
}
