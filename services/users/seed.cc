#include "users/seed.h"

#include "base/result.h"
#include "common/files.h"
#include "common/json_writer.h"
#include "common/secrets.h"
#include "common/startup_error.h"
#include "users/accounts.h"
#include "users/schema.h"

namespace lotagate::users {

void seed_demo_accounts(const Operations& operations, PasswordHasher& hasher, const std::string& path) {
  if (!operations.nobody_yet()) return;
  constexpr std::size_t kPasswordBytes = 18;
  services::JsonWriter json;
  std::vector<NewAccount> demo;
  json.begin_array();
  for (std::string role : {"admin", "trainer", "viewer"}) {
    std::string password = services::random_token(kPasswordBytes);
    auto hash = hasher.hash(password);
    if (!hash) throw services::StartupError("cannot make demo accounts: " + hash.error().detail);
    json.begin_object().member("username", role).member("password", password).member("role", role).end_object();
    demo.push_back({.username = role, .password_hash = *hash, .tenant = std::string(kFirstTenant), .roles = {role}});
  }
  // The file first: accounts whose passwords nobody knows would never be seeded again.
  services::write_private_file(path, json.end_array().take());
  auto created = operations.begin([&](Call& call) -> services::Outcome<services::Response> {
    for (const NewAccount& account : demo) TRY_VOID(create_account(call, account));
    return services::Response{};
  });
  if (!created) throw services::StartupError("cannot make demo accounts: " + created.error().detail);
}

}  // namespace lotagate::users
