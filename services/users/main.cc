// lotagate-users: the User Management Service. Accounts, logins, tokens, and what the gateway asks about them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "common/files.h"
#include "common/main.h"
#include "common/secrets.h"
#include "common/startup_error.h"
#include "users/flags.h"
#include "users/housekeeping.h"
#include "users/routes.h"
#include "users/schema.h"
#include "users/seed.h"

namespace lotagate::users {
namespace {

// Many times what any body here needs: 50 permissions are 3.5 KiB. Read as JSON it takes ten times as much memory.
constexpr std::size_t kMaxBodyBytes = 64 * 1024;

// For so little a second is long, also on a bad line.
constexpr std::chrono::seconds kRequestTime(10);

std::string load_or_create_service_token(const std::string& path) {
  constexpr std::size_t kNewTokenBytes = 32;
  constexpr std::size_t kShortestToken = 16;
  auto content = services::read_file(path);
  if (!content) {
    services::create_private_file(path, services::random_token(kNewTokenBytes) + "\n");
    content = services::read_file(path);  // another process may have been first
  }
  std::string token = content.value_or("");
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.pop_back();
  bool visible = std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7F; });
  if (token.size() < kShortestToken || !visible) {
    throw services::StartupError(
        fmt::format("{}: a service token is one line of {} or more visible characters", path, kShortestToken));
  }
  return token;
}

void print_routes(services::Server& server) {
  for (const std::string& route : server.router().routes()) fmt::print("{}\n", route);
  for (const std::string& route : server.internal_router().routes()) fmt::print("{}\n", route);
}

void run(const Flags& flags) {
  auto server_options = flags.server_options();
  server_options.max_body_bytes = kMaxBodyBytes;
  server_options.request_time = kRequestTime;
  services::Server server(server_options);
  services::prepare_data_directory(flags.data);
  std::string service_token = load_or_create_service_token(flags.service_token_file);
  services::Database database({.location = flags.database_location()}, kMigrations);
  ChangeFeed changes(database);
  Operations operations(database, changes);
  PasswordHasher hasher;
  KeyStore keys(database, MasterKey::load_or_create(flags.master_key_path()), flags.key_options());
  auto token_life = std::chrono::floor<std::chrono::seconds>(flags.token_ttl);
  TokenIssuer issuer({flags.issuer, flags.audience, token_life}, keys);
  if (flags.seed) seed_demo_accounts(operations, hasher, flags.data + "/demo-accounts.json");
  Logins logins(database, changes, hasher, issuer, flags.session_times());
  Housekeeping housekeeping(database);

  add_openapi_routes(server.router());
  add_login_routes(server.router(), logins);
  add_key_documents(server.router(), issuer);
  add_session_routes(server.router(), operations);
  add_password_routes(server.router(), operations, logins, hasher);
  add_account_routes(server.router(), operations, hasher);
  add_api_key_routes(server.router(), operations);
  add_role_routes(server.router(), operations);
  add_tenant_routes(server.router(), operations);
  add_audit_routes(server.router(), operations);
  add_internal_routes(server.internal_router(), database, changes, service_token);
  add_key_routes(server.internal_router(), keys);
  if (flags.routes) return print_routes(server);
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
