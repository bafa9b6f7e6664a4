#include "common/http_query.h"
#include "common/http_revision.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/access.h"
#include "users/accounts.h"
#include "users/inputs.h"
#include "users/pages.h"
#include "users/password_rules.h"
#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

void write_account(JsonWriter& json, const Account& account) {
  json.begin_object()
      .member("id", account.id)
      .member("username", account.username)
      .member("tenant", account.tenant)
      .member("kind", account.kind)
      .member("disabled", account.disabled)
      .member("created_at", account.created_at)
      .key("roles")
      .array(account.roles)
      .end_object();
}

Response account_response(int status, const Account& account) {
  JsonWriter json;
  write_account(json, account);
  return services::with_revision(services::json_response(status, json.take()), account.revision);
}

std::unexpected<services::Problem> unknown_user() { return refuse(404, "unknown_user", "There is no such user."); }

Outcome<AccountFilter> filter_of(const Request& request) {
  TRY_VOID(services::only_parameters(request, {"limit", "after", "tenant", "username", "role", "kind", "disabled"}));
  AccountFilter filter;
  for (auto [name, member] : {std::pair("tenant", &filter.tenant),
                              {"username", &filter.username},
                              {"role", &filter.role},
                              {"kind", &filter.kind}}) {
    auto text = request.parameter(name);
    if (text && !services::is_id(*text)) {
      return refuse(400, "invalid_parameter", fmt::format("`{}` is not the name of anything.", name));
    }
    if (text) *member = *text;
  }
  if (auto disabled = request.parameter("disabled")) {
    if (*disabled != "true" && *disabled != "false") {
      return refuse(400, "invalid_parameter", "`disabled` is true or false.");
    }
    filter.disabled = *disabled == "true";
  }
  return filter;
}

Outcome<Response> show_accounts(Call& call) {
  TRY_VOID(require(call.caller, "users:read"));
  TRY(filter, filter_of(call.request));
  TRY(page, services::page_of(call.request));
  return page_response("users", list_accounts(call.transaction, call.caller, filter, page.after, page.limit + 1), page,
                       write_account);
}

Outcome<Response> show_caller(Call& call) {
  auto account = find_account(call.transaction, call.caller.subject, call.caller);
  auto access = access_of(call.transaction, call.caller.subject);
  if (!account || !access) return unknown_user();
  JsonWriter json;
  json.begin_object()
      .member("id", account->id)
      .member("username", account->username)
      .member("tenant", account->tenant)
      .member("plan", access->plan)
      .member("kind", account->kind)
      .member("disabled", account->disabled)
      .member("created_at", account->created_at);
  json.key("roles").array(account->roles).key("permissions").array(access->permissions).end_object();
  return services::with_revision(services::json_response(200, json.take()), account->revision);
}

Outcome<Response> show_account(Call& call) {
  auto id = call.request.captures[0];
  TRY_VOID(require_unless_own(call.caller, "users:read", id));
  auto account = find_account(call.transaction, id, call.caller);
  if (!account) return unknown_user();
  return account_response(200, *account);
}

// What the body asks for; the password is hashed by the caller.
struct WantedAccount {
  NewAccount account;
  std::string password;
  std::optional<std::string> tenant;  // absent: the caller's
};

Outcome<std::string> read_password(const JsonBody& body, std::string_view kind, std::string_view username) {
  TRY(password, body.optional<std::string_view>("password"));
  if (kind == kService) {
    if (!password) return std::string();
    return refuse(422, "password_not_allowed", "A service has API keys in place of a password.");
  }
  if (!password) return refuse(400, "missing_member", "`password` is missing; it must be a string.");
  TRY_VOID(check_new_password(*password, username));
  return std::string(*password);
}

Outcome<WantedAccount> read_wanted(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"username", "password", "kind", "roles", "tenant"}));
  TRY(wanted_name, body.required<std::string_view>("username"));
  TRY(username, valid_username(wanted_name));
  TRY(kind, read_choice(body, "kind", {kPerson, kService}));
  TRY(password, read_password(body, kind.value_or(std::string(kPerson)), username));
  TRY(tenant, body.optional<std::string_view>("tenant"));
  TRY(roles, read_role_names(body));
  if (!roles) return refuse(400, "missing_member", "`roles` is missing; it must be an array.");
  NewAccount account{.username = std::move(username),
                     .kind = kind.value_or(std::string(kPerson)),
                     .password_hash = {},
                     .tenant = {},
                     .roles = std::move(*roles)};
  return WantedAccount{std::move(account), std::move(password), std::optional<std::string>(tenant)};
}

Outcome<Response> create(const Request& request, const Operations& operations, PasswordHasher& hasher) {
  // Hashing is for those who may create somebody, and outside of a transaction: it takes longer than all the rest.
  TRY_VOID(operations.read(request, [](Call& call) -> Outcome<Response> {
    TRY_VOID(require(call.caller, "users:write"));
    return Response{};
  }));
  TRY(wanted, read_wanted(request));
  if (wanted.account.kind == kPerson) {
    TRY(hash, hasher.hash(wanted.password));
    wanted.account.password_hash = std::move(hash);
  }
  return operations.change(request, [&](Call& call) -> Outcome<Response> {
    NewAccount account = wanted.account;
    account.tenant = wanted.tenant.value_or(call.caller.tenant);
    TRY(created, create_account(call, account));
    Response response = account_response(201, created);
    response.headers.emplace_back("Location", "/api/v1/users/" + created.id);
    return response;
  });
}

Outcome<AccountChange> read_change(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"username", "roles", "disabled"}));
  AccountChange change;
  TRY(wanted_name, body.optional<std::string_view>("username"));
  if (wanted_name) {
    TRY(username, valid_username(*wanted_name));
    change.username = std::move(username);
  }
  TRY(roles, read_role_names(body));
  change.roles = std::move(roles);
  TRY(disabled, body.optional<bool>("disabled"));
  change.disabled = disabled;
  if (!change.username && !change.roles && !change.disabled) {
    return refuse(400, "nothing_to_change", "Give `username`, `roles` or `disabled`.");
  }
  return change;
}

Outcome<Response> update(Call& call, const AccountChange& change) {
  TRY(account, change_account(call, call.request.captures[0], change));
  return account_response(200, account);
}

Outcome<Response> remove(Call& call) {
  TRY_VOID(remove_account(call, call.request.captures[0]));
  return services::json_response(204, {});
}

}  // namespace

void add_account_routes(services::Router& router, const Operations& operations, PasswordHasher& hasher) {
  router.add("GET", "/api/v1/users", operations.reading(show_accounts));
  router.add("POST", "/api/v1/users",
             services::answering([&](const Request& request) { return create(request, operations, hasher); }));
  // Before {}: the first pattern wins.
  router.add("GET", "/api/v1/users/me", operations.reading(show_caller));
  router.add("GET", "/api/v1/users/{}", operations.reading(show_account));
  router.add("PATCH", "/api/v1/users/{}", operations.changing(read_change, update));
  router.add("DELETE", "/api/v1/users/{}", operations.changing(remove));
}

}  // namespace lotagate::users
