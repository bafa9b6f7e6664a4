#include <algorithm>

#include "base/text.h"
#include "common/identity.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/routes.h"
#include "users/schema.h"

namespace lotagate::users {
namespace {

using services::Caller;
using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

constexpr std::size_t kMaxUsernameBytes = 64;
constexpr std::size_t kMinPasswordBytes = 8;  // NIST SP 800-63B
constexpr std::size_t kMaxPasswordBytes = 256;
constexpr std::size_t kMaxRoles = 32;
constexpr std::uint64_t kDefaultPage = 100;
constexpr std::uint64_t kMaxPage = 1000;

// The gateway has authorized the call; a call that did not pass it has no identity and gets nowhere.
Outcome<Caller> identified(const Request& request) {
  Caller caller = services::caller_of(request);
  if (caller.subject.empty()) return refuse(401, "no_identity", "The call did not come through the gateway.");
  return caller;
}

Authority authority_of(const Caller& caller) {
  return {.tenant = caller.tenant, .is_admin = caller.has_role(kAdminRole)};
}

void write_account(JsonWriter& json, const Account& account) {
  json.begin_object()
      .member("id", account.id)
      .member("username", account.username)
      .member("tenant", account.tenant)
      .member("disabled", account.disabled)
      .member("created_at", account.created_at)
      .key("roles")
      .array(account.roles)
      .end_object();
}

Response account_response(int status, const Account& account) {
  JsonWriter json;
  write_account(json, account);
  return services::json_response(status, json.take());
}

Outcome<std::string> valid_username(std::string_view username) {
  auto allowed = [](char c) {
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '@';
  };
  if (username.empty() || username.size() > kMaxUsernameBytes || !std::ranges::all_of(username, allowed)) {
    return refuse(422, "invalid_username",
                  fmt::format("A username has 1 to {} letters, digits and . _ - @.", kMaxUsernameBytes));
  }
  return std::string(username);
}

Outcome<std::vector<std::string>> read_roles(simdjson::dom::array array) {
  TRY(roles, services::read_strings(array, "roles"));
  if (roles.size() > kMaxRoles) return refuse(422, "too_many_roles", "These are more roles than there are.");
  return roles;
}

Outcome<Response> list_accounts(const Request& request, AccountStore& accounts) {
  TRY(caller, identified(request));
  auto limit = parse_decimal(request.parameter("limit").value_or(std::to_string(kDefaultPage)));
  if (!limit || *limit == 0 || *limit > kMaxPage) {
    return refuse(400, "invalid_limit", fmt::format("`limit` is a number from 1 to {}.", kMaxPage));
  }
  auto after = request.parameter("after").value_or("");
  // One more than asked for tells whether there is a next page.
  auto page = accounts.list(authority_of(caller), after, static_cast<std::int64_t>(*limit) + 1);
  bool more = page.size() > *limit;
  if (more) page.pop_back();

  JsonWriter json;
  json.begin_object().key("users").begin_array();
  for (const Account& account : page) write_account(json, account);
  json.end_array();
  if (more) json.member("next", page.back().id);
  json.end_object();
  return services::json_response(200, json.take());
}

Outcome<Response> show_caller(const Request& request, AccountStore& accounts, AccessDirectory& directory) {
  TRY(caller, identified(request));
  auto account = accounts.find(caller.subject, {.tenant = {}, .is_admin = true});
  auto access = directory.access(caller.subject);
  if (!account || !access) return refuse(404, "unknown_user", "There is no such user.");
  JsonWriter json;
  json.begin_object()
      .member("id", account->id)
      .member("username", account->username)
      .member("tenant", account->tenant)
      .member("plan", access->plan)
      .member("disabled", access->disabled)
      .member("created_at", account->created_at);
  json.key("roles").array(access->roles).key("permissions").array(access->permissions).end_object();
  return services::json_response(200, json.take());
}

Outcome<Response> show_account(const Request& request, AccountStore& accounts) {
  TRY(caller, identified(request));
  auto account = accounts.find(request.captures[0], authority_of(caller));
  if (!account) return refuse(404, "unknown_user", "There is no such user.");
  return account_response(200, *account);
}

Outcome<Response> create_account(const Request& request, AccountStore& accounts, PasswordHasher& hasher) {
  TRY(caller, identified(request));
  TRY(body, JsonBody::parse(request.body, {"username", "password", "roles", "tenant"}));
  TRY(wanted_name, body.required<std::string_view>("username"));
  TRY(username, valid_username(wanted_name));
  TRY(password, body.required<std::string_view>("password"));
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes) {
    return refuse(422, "invalid_password",
                  fmt::format("A password has {} to {} bytes.", kMinPasswordBytes, kMaxPasswordBytes));
  }
  TRY(tenant, body.optional<std::string_view>("tenant"));
  TRY(array, body.required<simdjson::dom::array>("roles"));
  TRY(roles, read_roles(array));
  TRY(hash, hasher.hash(password));
  NewAccount wanted{.username = username,
                    .password_hash = hash,
                    .tenant = std::string(tenant.value_or(caller.tenant)),
                    .roles = std::move(roles)};
  TRY(created, accounts.create({&wanted, 1}, authority_of(caller)));
  Response response = account_response(201, created.front());
  response.headers.emplace_back("Location", "/api/v1/users/" + created.front().id);
  return response;
}

Outcome<Response> update_account(const Request& request, AccountStore& accounts) {
  TRY(caller, identified(request));
  TRY(body, JsonBody::parse(request.body, {"roles", "disabled"}));
  AccountChange change;
  TRY(array, body.optional<simdjson::dom::array>("roles"));
  if (array) {
    TRY(roles, read_roles(*array));
    change.roles = std::move(roles);
  }
  TRY(disabled, body.optional<bool>("disabled"));
  change.disabled = disabled;
  if (!change.roles && !change.disabled) return refuse(400, "nothing_to_change", "Give `roles`, `disabled` or both.");
  TRY(account, accounts.update(request.captures[0], change, authority_of(caller)));
  return account_response(200, account);
}

Outcome<Response> remove_account(const Request& request, AccountStore& accounts) {
  TRY(caller, identified(request));
  TRY_VOID(accounts.remove(request.captures[0], authority_of(caller)));
  return services::json_response(204, {});
}

}  // namespace

void add_account_routes(services::Router& router, AccountStore& accounts, AccessDirectory& directory,
                        PasswordHasher& hasher) {
  using services::answering;
  router.add("GET", "/api/v1/users",
             answering([&](const Request& request) { return list_accounts(request, accounts); }));
  router.add("POST", "/api/v1/users",
             answering([&](const Request& request) { return create_account(request, accounts, hasher); }));
  // Before {}: the first pattern wins.
  router.add("GET", "/api/v1/users/me",
             answering([&](const Request& request) { return show_caller(request, accounts, directory); }));
  router.add("GET", "/api/v1/users/{}",
             answering([&](const Request& request) { return show_account(request, accounts); }));
  router.add("PUT", "/api/v1/users/{}",
             answering([&](const Request& request) { return update_account(request, accounts); }));
  router.add("DELETE", "/api/v1/users/{}",
             answering([&](const Request& request) { return remove_account(request, accounts); }));
}

}  // namespace lotagate::users
