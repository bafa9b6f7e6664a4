#include "config/load.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/hash.h"
#include "config/file.h"
#include "config/reader.h"
#include "config/sections.h"
#include "config/units.h"
#include "config/yaml.h"

namespace lotagate::config {
namespace {

// Later sections refer to earlier ones: routes to everything, the admin listener to the listeners.
Config read_config(Problems& problems, const YamlNode& root, const std::filesystem::path& folder) {
  Config config;
  MapReader map(problems, root, kRootKeys);
  if (const YamlNode* node = map.require("listeners")) read_listeners(problems, *node, config.listeners);
  if (const YamlNode* node = map.find("admin")) read_admin(problems, *node, config.listeners, config.admin);
  if (const YamlNode* node = map.find("workers")) read_workers(problems, *node, config.workers);
  if (const YamlNode* node = map.find("timeouts")) read_timeouts(problems, *node, config.timeouts);
  if (const YamlNode* node = map.find("limits")) read_limits(problems, *node, config.limits);
  if (const YamlNode* node = map.find("access_log")) read_access_log(problems, *node, folder, config.access_log);
  if (const YamlNode* node = map.require("services")) read_services(problems, *node, config.services);
  if (const YamlNode* node = map.find("authorization")) read_authorization(problems, *node, folder, config);
  if (const YamlNode* node = map.find("authentication")) read_authentication(problems, *node, folder, config);
  const YamlNode* store = map.find("limit_store");
  if (store != nullptr) read_limit_store(problems, *store, folder, config.limit_store.emplace());
  if (const YamlNode* node = map.find("rate_limits")) read_rate_limits(problems, *node, config);
  if (const YamlNode* node = map.find("rate_limit_table"))
    read_rate_limit_table(problems, *node, config.rate_limit_table);
  if (store != nullptr && std::ranges::none_of(config.rate_limits, &RateLimit::shared)) {
    problems.warn(store->key_at, "`limit_store` is not used: no rate limit is `shared`");
  }
  if (const YamlNode* node = map.find("concurrency_limits")) read_concurrency_limits(problems, *node, config);
  if (const YamlNode* node = map.require("routes")) read_routes(problems, *node, config);
  return config;
}

std::vector<ConfigError> errors_of(const std::string& file, std::vector<YamlProblem> problems) {
  std::vector<ConfigError> errors;
  errors.reserve(problems.size());
  for (YamlProblem& problem : problems) {
    errors.push_back({file, problem.at.line, problem.at.column, std::move(problem.message)});
  }
  return errors;
}

}  // namespace

std::string to_string(const ConfigError& error) {
  return fmt::format("{}:{}:{}: error: {}", error.file, error.line, error.column, error.message);
}

std::vector<std::string> warning_lines(const Config& config) {
  std::vector<std::string> lines;
  for (const Warning& warning : config.warnings) {
    lines.push_back(fmt::format("{}:{}:{}: warning: {}", config.file, warning.line, warning.column, warning.message));
  }
  return lines;
}

std::expected<Config, std::vector<ConfigError>> load_config_text(std::string_view text, const std::string& file_name) {
  if (text.size() > kMaxConfigBytes) {
    return std::unexpected(errors_of(file_name, {{{}, "larger than " + size_to_text(kMaxConfigBytes)}}));
  }
  YamlTree tree = parse_yaml(text);
  Problems problems(std::move(tree.problems));
  Config config;
  if (tree.complete && tree.root.kind == YamlNode::Kind::null) {
    problems.add({}, "the file is empty; `listeners`, `services` and `routes` are required");
  } else if (tree.complete) {
    config = read_config(problems, tree.root, std::filesystem::path(file_name).parent_path());
  }
  if (problems.any()) return std::unexpected(errors_of(file_name, problems.take()));
  config.file = file_name;
  config.content_hash = hash_bytes(text);
  for (YamlProblem& warning : problems.take_warnings()) {
    config.warnings.push_back({warning.at.line, warning.at.column, std::move(warning.message)});
  }
  return config;
}

std::expected<Config, std::vector<ConfigError>> load_config(const std::string& path) {
  auto text = read_file(path, kMaxConfigBytes);
  if (!text) return std::unexpected(errors_of(path, {{{}, "cannot read the file: " + text.error()}}));
  return load_config_text(*text, path);
}

}  // namespace lotagate::config
