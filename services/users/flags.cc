#include "users/flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"
#include "common/database.h"
#include "common/duration.h"
#include "common/files.h"
#include "common/startup_error.h"

namespace lotagate::users {
namespace {

using services::StartupError;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A key is published for this long before it signs: many times as long as gateways keep a key set (five minutes).
constexpr milliseconds kLongestLead = std::chrono::hours(1);
// More would be a key set that some gateways refuse, and no safer.
constexpr int kMostKeysAtOnce = 16;

void add_duration(CLI::App& app, const std::string& name, milliseconds& value, milliseconds least,
                  const std::string& description) {
  auto read = [&value, name, least](const std::string& text) {
    auto duration = services::parse_duration(text);
    if (!duration || *duration < least) {
      throw CLI::ValidationError(
          name, fmt::format("{} is not a duration of {} ms or more, as 90s, 15m, 12h, 30d", text, least.count()));
    }
    value = *duration;
  };
  app.add_option_function<std::string>(name, read, description)
      ->default_str(fmt::format("{}s", std::chrono::floor<seconds>(value).count()));
}

}  // namespace

void add_flags(CLI::App& app, Flags& flags) {
  services::add_common_flags(app, flags.common);
  app.add_option("--internal-listen", flags.internal_listen,
                 "ADDRESS:PORT of /internal, which only gateways may reach; port 0 takes a free one and prints it")
      ->capture_default_str();
  app.add_option("--data", flags.data,
                 "Directory for what is this instance's own, and for the database without another")
      ->required();
  auto* database = app.add_option("--database", flags.database, "postgresql://USER@HOST:PORT/DATABASE");
  app.add_option("--database-file", flags.database_file, "File whose one line is what --database takes")
      ->excludes(database);
  app.add_option("--issuer", flags.issuer, "The `iss` of tokens, an URL")->required();
  app.add_option("--audience", flags.audience, "The `aud` of tokens")->required();
  app.add_option("--service-token-file", flags.service_token_file,
                 "The gateway's secret for /internal; made (0600) if it does not exist")
      ->required();
  app.add_option("--master-key-file", flags.master_key_file,
                 "The key that seals the signing keys in the database; made (0600) if it does not exist "
                 "[master-key in --data]");
  app.add_option("--signing-algorithm", flags.signing_algorithm, "Of new keys: RS256, ES256 or EdDSA")
      ->check(CLI::IsMember({"RS256", "ES256", "EdDSA"}))
      ->capture_default_str();
  add_duration(app, "--token-ttl", flags.token_ttl, seconds(1), "Life of an access token");
  add_duration(app, "--session-idle", flags.session_idle, seconds(1),
               "How long a refresh token is good; a session that is not refreshed ends");
  add_duration(app, "--session-life", flags.session_life, seconds(1), "How long after its login a session ends anyway");
  add_duration(app, "--key-rotation", flags.key_rotation, seconds(1), "Age at which a signing key gives way");
  add_duration(app, "--key-grace", flags.key_grace, seconds(0),
               "How long a key stays published after its last token expired: how far clocks may differ");
  app.add_flag("--routes", flags.routes, "Print what it serves, a method and a path a line, and end");
  app.add_flag("--seed", flags.seed, "Without any account, make demo accounts and write demo-accounts.json");
}

services::ServerOptions Flags::server_options() const {
  auto options = common.server_options();
  options.internal_listen = services::read_address("--internal-listen", internal_listen);
  return options;
}

// A file in the data directory unless the flags name a server.
std::string Flags::database_location() const {
  std::string url = database;
  if (!database_file.empty()) {
    auto content = services::read_file(database_file);
    if (!content) throw StartupError(fmt::format("{} does not exist", database_file));
    url = trim(std::string_view(*content).substr(0, content->find('\n')));
  }
  if (url.empty() && database_file.empty()) return data + "/users.db";
  if (services::is_postgres_url(url)) return url;
  throw StartupError("--database: only postgresql://USER@HOST:PORT/DATABASE is known");
}

std::string Flags::master_key_path() const { return master_key_file.empty() ? data + "/master-key" : master_key_file; }

KeyStore::Options Flags::key_options() const {
  if (key_rotation * kMostKeysAtOnce < token_ttl + key_grace) {
    throw StartupError("--key-rotation is too short for --token-ttl and --key-grace: keys would pile up");
  }
  auto algorithm = parse_algorithm(signing_algorithm);
  if (!algorithm) throw StartupError("--signing-algorithm: RS256, ES256 or EdDSA");
  return {.algorithm = *algorithm,
          .times = {.rotation = key_rotation,
                    .lead = std::min(kLongestLead, key_rotation / 3),
                    .grace = key_grace,
                    .token_life = token_ttl},
          .first_key_file = data + "/signing-key.pem"};
}

SessionTimes Flags::session_times() const {
  return {.idle = std::chrono::floor<seconds>(session_idle),
          .absolute = std::chrono::floor<seconds>(session_life),
          .access = std::chrono::floor<seconds>(token_ttl)};
}

}  // namespace lotagate::users
