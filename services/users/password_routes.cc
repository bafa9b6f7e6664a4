#include <algorithm>
#include <memory>

#include "base/result.h"
#include "common/identity.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/password_rules.h"
#include "users/roles.h"
#include "users/routes.h"
#include "users/schema.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

// Whose password is to change, as far as the caller may change it.
struct Change {
  Account account;
  bool own = false;
};

Outcome<Change> allowed_change(Call& call) {
  auto id = call.request.captures[0];
  bool own = id == call.caller.subject;
  // A key that leaked must not become the account itself.
  if (own && call.caller.key_permissions)
    return refuse(403, "forbidden", "An API key changes no password of its user.");
  if (!own) TRY_VOID(require(call.caller, "users:write"));
  auto account = find_account(call.transaction, id, call.caller);
  if (!account) return refuse(404, "unknown_user", "There is no such user.");
  bool admin = std::ranges::find(account->roles, kAdminRole) != account->roles.end();
  if (admin && !own) TRY_VOID(require_admin(call.caller));
  // Who sets a password can be that account.
  if (!own) TRY_VOID(may_give(call.caller, permissions_of(call.transaction, account->id)));
  if (account->kind != kPerson) return refuse(422, "password_not_allowed", "A service has API keys, and no password.");
  return Change{.account = std::move(*account), .own = own};
}

// 401 would tell a client that its token is no good.
std::unexpected<services::Problem> wrong_password() {
  return refuse(403, "wrong_password", "The current password is wrong.");
}

class PasswordChange {
 public:
  PasswordChange(const Operations& operations, Logins& logins, PasswordHasher& hasher)
      : operations_(operations), logins_(logins), hasher_(hasher) {}

  Outcome<Response> answer(const Request& request) const {
    TRY(body, JsonBody::parse(request.body, {"current_password", "new_password"}));
    TRY(current, body.optional<std::string_view>("current_password"));
    TRY(wanted, body.required<std::string_view>("new_password"));
    TRY(change, look_up(request));
    TRY_VOID(check_new_password(wanted, change.account.username));
    // Hashing for one caller at a time leaves room for everybody else.
    auto alone = changing_->hold(services::caller_of(request).subject);
    if (!alone) return one_at_a_time();
    std::optional<Credentials> credentials;
    if (change.own) {
      TRY(checked, check_current(request, change.account, current, wanted));
      credentials = std::move(checked);
    }
    // Hashing takes longer than all the rest, so it is done outside of the transaction.
    TRY(hash, hasher_.hash(wanted));
    return operations_.change(request, [&](Call& call) { return store(call, hash, credentials); });
  }

 private:
  Outcome<Change> look_up(const Request& request) const {
    std::optional<Change> found;
    TRY_VOID(operations_.read(request, [&](Call& call) -> Outcome<Response> {
      TRY(change, allowed_change(call));
      found = std::move(change);
      return Response{};
    }));
    return std::move(*found);
  }

  Outcome<Credentials> check_current(const Request& request, const Account& account,
                                     std::optional<std::string_view> current, std::string_view wanted) const {
    if (!current) return refuse(400, "missing_member", "`current_password` is missing; it must be a string.");
    if (*current == wanted) {
      return refuse(422, "invalid_password", "The new password is the current one.");
    }
    auto credentials = logins_.check_for_change(request, account, *current);
    if (!credentials && credentials.error().status == 401) return wrong_password();
    return credentials;
  }

  // `checked`: the credentials that the caller has just shown, if it is his own password.
  Outcome<Response> store(Call& call, const std::string& hash, const std::optional<Credentials>& checked) const {
    TRY(change, allowed_change(call));
    const Account& account = change.account;
    // Of two changes that were made with one old password at the same time, the second shows a wrong one.
    std::string_view old = checked ? std::string_view(checked->password_hash) : std::string_view();
    std::int64_t changed =
        call.transaction.run("UPDATE accounts SET password_hash = ? WHERE id = ? AND (? = '' OR password_hash = ?)",
                             {std::string_view(hash), std::string_view(account.id), old, old});
    if (changed == 0) return wrong_password();
    // The session in which it was changed goes on, if the gateway says which that is.
    auto here = change.own ? call.request.header(kSessionHeader) : std::string_view();
    std::int64_t ended = end_sessions(call.transaction, call.changes, account.id, here);
    // Guesses at the old password say nothing about the new one, and a reset is how somebody gets in again.
    LoginGuard::unlock(call.transaction, username_key(account.username));
    if (checked) logins_.forget_failures(call.transaction, call.request, account.username, account.id);
    services::JsonWriter detail;
    detail.begin_object().member("by_itself", change.own).member("sessions", ended).end_object();
    audit(call, {"account", account.id, account.tenant}, "change_password", detail.take());
    return services::json_response(204, {});
  }

  const Operations& operations_;
  Logins& logins_;
  PasswordHasher& hasher_;
  std::shared_ptr<Exclusive> changing_ = std::make_shared<Exclusive>();  // of all copies: handlers are copied
};

// For who could set the account's password, but not for itself: with a session that was left open somebody could undo
// the waits of his own guesses.
Outcome<Response> unlock(Call& call) {
  TRY(change, allowed_change(call));
  if (change.own) return refuse(403, "forbidden", "Nobody unlocks his own account.");
  LoginGuard::unlock(call.transaction, username_key(change.account.username));
  audit(call, {"account", change.account.id, change.account.tenant}, "unlock", "{}");
  return services::json_response(204, {});
}

}  // namespace

void add_password_routes(services::Router& router, const Operations& operations, Logins& logins,
                         PasswordHasher& hasher) {
  router.add("PUT", "/api/v1/users/{}/password",
             services::answering([change = PasswordChange(operations, logins, hasher)](const Request& request) {
               return change.answer(request);
             }));
  router.add("POST", "/api/v1/users/{}/unlock", operations.changing(unlock));
}

}  // namespace lotagate::users
