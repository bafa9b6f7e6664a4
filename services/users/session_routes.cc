#include <algorithm>

#include "base/result.h"
#include "common/json_writer.h"
#include "users/accounts.h"
#include "users/routes.h"
#include "users/schema.h"
#include "users/sessions.h"

namespace lotagate::users {
namespace {

using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

// The account whose sessions the call is about: the caller's own, or one that he sees and may deal with so.
Outcome<Account> account_of(Call& call, std::string_view permission) {
  auto id = call.request.captures[0];
  TRY_VOID(require_unless_own(call.caller, permission, id));
  auto account = find_account(call.transaction, id, call.caller);
  if (!account) return refuse(404, "unknown_user", "There is no such user.");
  return std::move(*account);
}

// As above, to end some: those of an admin only by an admin.
Outcome<Account> changeable_account_of(Call& call) {
  TRY(account, account_of(call, "users:write"));
  bool admin = std::ranges::find(account.roles, kAdminRole) != account.roles.end();
  if (admin && account.id != call.caller.subject) TRY_VOID(require_admin(call.caller));
  return account;
}

Outcome<Response> show_sessions(Call& call) {
  TRY(account, account_of(call, "users:read"));
  auto current = call.request.header(kSessionHeader);
  JsonWriter json;
  json.begin_object().key("sessions").begin_array();
  for (const Session& session : list_sessions(call.transaction, account.id)) {
    json.begin_object()
        .member("id", session.id)
        .member("created_at", session.created_at)
        .member("used_at", session.used_at)
        .member("expires_at", session.expires_at)
        .member("client", session.client.address)
        .member("user_agent", session.client.user_agent)
        .member("current", session.id == current)
        .end_object();
  }
  return services::json_response(200, json.end_array().end_object().take());
}

Outcome<Response> end_all(Call& call) {
  TRY(account, changeable_account_of(call));
  std::int64_t ended = end_sessions(call.transaction, call.changes, account.id);
  if (ended > 0) {
    JsonWriter detail;
    detail.begin_object().member("sessions", ended).end_object();
    audit(call, {"account", account.id, account.tenant}, "end_sessions", detail.take());
  }
  return services::json_response(204, {});
}

Outcome<Response> end_one(Call& call) {
  TRY(account, changeable_account_of(call));
  auto session = call.request.captures[1];
  if (end_session(call.transaction, call.changes, account.id, session) == 0) {
    return refuse(404, "unknown_session", "There is no such session.");
  }
  audit(call, {"session", session, account.tenant}, "end", "{}");
  return services::json_response(204, {});
}

}  // namespace

void add_session_routes(services::Router& router, const Operations& operations) {
  router.add("GET", "/api/v1/users/{}/sessions", operations.reading(show_sessions));
  router.add("DELETE", "/api/v1/users/{}/sessions", operations.changing(end_all));
  router.add("DELETE", "/api/v1/users/{}/sessions/{}", operations.changing(end_one));
}

}  // namespace lotagate::users
