#include "gateway/limit_store.h"

#include <spdlog/spdlog.h>

namespace lotagate {

limit::StoreSettings store_settings(const config::LimitStore& store) {
  limit::StoreSettings settings;
  for (const auto& server : store.servers) settings.servers.push_back({server.host, server.port});
  settings.user = store.user;
  settings.password = store.password;
  settings.database = store.database;
  settings.prefix = store.prefix;
  settings.memory_bytes = store.memory_bytes;
  settings.timeout = store.timeout;
  return settings;
}

limit::StoreHooks store_hooks() {
  limit::StoreHooks hooks;
  hooks.log = [](bool warning, std::string_view line) {
    spdlog::log(warning ? spdlog::level::warn : spdlog::level::info, "{}", line);
  };
  return hooks;
}

}  // namespace lotagate
