// lotagate-users: the User Management Service. Accounts, logins, tokens, and what the gateway asks about them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"
#include "common/files.h"
#include "common/main.h"
#include "common/secrets.h"
#include "common/startup_error.h"
#include "users/routes.h"
#include "users/schema.h"
#include "users/seed.h"

namespace lotagate::users {
namespace {

struct Flags {
  services::CommonFlags common;
  std::string internal_listen = "127.0.0.1:0";
  std::string data;
  std::string database;
  std::string database_file;
  std::string issuer;
  std::string audience;
  std::string service_token_file;
  std::int64_t token_ttl_seconds = 900;
  bool seed = false;
};

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
  app.add_option("--token-ttl", flags.token_ttl_seconds, "Life of a token in seconds")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  app.add_flag("--seed", flags.seed, "Without any account, make demo accounts and write demo-accounts.json");
}

std::string load_or_create_service_token(const std::string& path) {
  constexpr std::size_t kNewTokenBytes = 32;
  constexpr std::size_t kShortestToken = 16;
  auto content = services::read_file(path);
  if (!content) {
    content = services::random_token(kNewTokenBytes) + "\n";
    services::write_private_file(path, *content);
  }
  std::string token = *content;
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.pop_back();
  bool visible = std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7F; });
  if (token.size() < kShortestToken || !visible) {
    throw services::StartupError(
        fmt::format("{}: a service token is one line of {} or more visible characters", path, kShortestToken));
  }
  return token;
}

// A file in the data directory unless the flags name a server.
std::string database_location(const Flags& flags) {
  std::string url = flags.database;
  if (!flags.database_file.empty()) {
    auto content = services::read_file(flags.database_file);
    if (!content) throw services::StartupError(fmt::format("{} does not exist", flags.database_file));
    url = trim(std::string_view(*content).substr(0, content->find('\n')));
  }
  if (url.empty() && flags.database_file.empty()) return flags.data + "/users.db";
  if (services::is_postgres_url(url)) return url;
  throw services::StartupError("--database: only postgresql://USER@HOST:PORT/DATABASE is known");
}

services::ServerOptions server_options(const Flags& flags) {
  auto options = flags.common.server_options();
  options.internal_listen = services::read_address("--internal-listen", flags.internal_listen);
  return options;
}

void run(const Flags& flags) {
  services::Server server(server_options(flags));
  services::prepare_data_directory(flags.data);
  services::Database database({.location = database_location(flags)}, kMigrations);
  ChangeFeed changes(database);
  AccountStore accounts(database);
  Operations operations(database, changes);
  PasswordHasher hasher;
  TokenIssuer issuer({flags.issuer, flags.audience, std::chrono::seconds(flags.token_ttl_seconds)},
                     SigningKey::load_or_create(flags.data + "/signing-key.pem"));
  if (flags.seed) seed_demo_accounts(operations, hasher, flags.data + "/demo-accounts.json");

  add_login_routes(server.router(), accounts, hasher, issuer);
  add_account_routes(server.router(), operations, hasher);
  add_api_key_routes(server.router(), operations);
  add_role_routes(server.router(), operations);
  add_tenant_routes(server.router(), operations);
  add_audit_routes(server.router(), operations);
  add_internal_routes(server.internal_router(), database, changes,
                      load_or_create_service_token(flags.service_token_file));
  server.run([&] { changes.stop(); });
}

}  // namespace
}  // namespace lotagate::users

int main(int argc, char** argv) {
  CLI::App app("The User Management Service of the reference platform.", "lotagate-users");
  lotagate::users::Flags flags;
  lotagate::users::add_flags(app, flags);
  return lotagate::services::service_main(app, argc, argv, [&] { lotagate::users::run(flags); });
}
