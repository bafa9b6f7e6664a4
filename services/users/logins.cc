#include "users/logins.h"

#include "base/result.h"
#include "common/client_address.h"
#include "common/http_query.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "common/printable.h"
#include "users/password_rules.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;
using services::Transaction;

constexpr std::size_t kMaxUserAgentBytes = 200;

// The same words for whatever is wrong with it.
std::unexpected<services::Problem> invalid_refresh_token() {
  return refuse(401, "invalid_refresh_token", "The refresh token is unknown, used or over; log in again.");
}

Outcome<std::string> read_refresh_token(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"refresh_token"}));
  TRY(token, body.required<std::string_view>("refresh_token"));
  return std::string(token);
}

// Of an account, done by itself.
AuditEntry own_entry(const Request& request, std::string_view action, std::string_view account,
                     std::string_view tenant) {
  AuditEntry entry = audit_entry(request);
  entry.actor = account;
  entry.tenant = tenant;
  entry.action = action;
  entry.target_kind = "account";
  entry.target_id = account;
  return entry;
}

std::string sessions_detail(std::int64_t ended) {
  JsonWriter detail;
  detail.begin_object().member("sessions", ended).end_object();
  return detail.take();
}

AuditEntry session_entry(const Request& request, std::string_view action, const SessionTokens& session) {
  AuditEntry entry = own_entry(request, action, session.account, session.tenant);
  entry.target_kind = "session";
  entry.target_id = session.session;
  return entry;
}

}  // namespace

LoginAttempt Logins::attempt_of(const Request& request, std::string_view username) const {
  auto address = services::client_address(request);
  return {.account = username_key(username), .address = address ? services::address_group(*address) : std::string()};
}

// An unknown user costs the same and reads the same as a wrong password: neither may tell who has an account.
Outcome<Credentials> Logins::check(const Request& request, std::string_view username, std::string_view password) {
  TRY_VOID(bound_password(password));
  LoginAttempt attempt = attempt_of(request, username);
  TRY(admission, guard_.admit(attempt));
  // What could not be a username is nobody's.
  auto credentials = services::is_id(username) ? accounts_.credentials(username) : std::nullopt;
  auto fits = hasher_.verify(password, credentials ? credentials->password_hash : hasher_.unmatchable());
  if (!fits) {
    guard_.forget(attempt, admission);
    return std::unexpected(fits.error());
  }
  if (credentials && *fits) return std::move(*credentials);
  note_failure(request, credentials, admission.locked_for);
  return refuse(401, "invalid_credentials", "The username or the password is wrong.");
}

Outcome<Credentials> Logins::check_for_change(const Request& request, const Account& account,
                                              std::string_view password) {
  TRY_VOID(guard_.admit_change(account.id));
  auto credentials = check(request, account.username, password);
  // Who does not know the password must not use up the changes of its owner.
  if (!credentials) guard_.forget_change(account.id);
  return credentials;
}

void Logins::note_failure(const Request& request, const std::optional<Credentials>& credentials,
                          std::chrono::seconds locked_for) {
  AuditEntry entry = own_entry(request, "account.login_failed", credentials ? credentials->id : "",
                               credentials ? credentials->tenant : "");
  entry.actor.clear();
  JsonWriter detail;
  detail.begin_object().member("locked_for", locked_for.count()).end_object();
  entry.detail = detail.take();
  database_.transact_rows([&](Transaction& transaction) { append_audit(transaction, entry); });
}

void Logins::forget_failures(Transaction& transaction, const Request& request, std::string_view username,
                             std::string_view account) const {
  LoginGuard::succeed(transaction, attempt_of(request, username), account);
}

Outcome<Response> Logins::log_in(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"username", "password"}));
  TRY(username, body.required<std::string_view>("username"));
  TRY(password, body.required<std::string_view>("password"));
  // One account must not keep every core busy by logging in all the time.
  auto alone = checking_.hold(username_key(username));
  if (!alone) return one_at_a_time();
  TRY(credentials, check(request, username, password));
  if (credentials.disabled) {
    database_.transact_rows(
        [&](Transaction& transaction) { forget_failures(transaction, request, username, credentials.id); });
    return refuse(403, "account_disabled", "This account is disabled.");
  }
  std::string hash = credentials.password_hash;
  if (PasswordHasher::is_cheap(hash)) hash = hasher_.hash(password).value_or(hash);
  TRY(tokens, begin(request, username, credentials, hash));
  if (tokens.crowded) make_room(request, tokens);
  return tokens_response(tokens);
}

Outcome<SessionTokens> Logins::begin(const Request& request, std::string_view username, const Credentials& credentials,
                                     const std::string& new_hash) {
  auto address = services::client_address(request);
  SessionClient client{.address = address ? to_string(*address) : std::string(),
                       .user_agent = services::printable(request.header("User-Agent"), kMaxUserAgentBytes)};
  return database_.transact_rows([&](Transaction& transaction) -> Outcome<SessionTokens> {
    // A password that was changed while the old one was being checked must not begin a session after the change has
    // ended all of them. The statement also holds the account, so that its sessions are counted one login at a time.
    std::int64_t same = transaction.run(
        "UPDATE accounts SET password_hash = ? WHERE id = ? AND password_hash = ?",
        {std::string_view(new_hash), std::string_view(credentials.id), std::string_view(credentials.password_hash)});
    if (same == 0) return refuse(401, "invalid_credentials", "The username or the password is wrong.");
    TRY(tokens, begin_session(transaction, times_, credentials.id, client));
    forget_failures(transaction, request, username, credentials.id);
    append_audit(transaction, session_entry(request, "session.begin", tokens));
    return tokens;
  });
}

// By itself, because gateways are told in the order of the changes.
void Logins::make_room(const Request& request, const SessionTokens& newest) {
  database_.transact([&](Transaction& transaction) {
    std::int64_t ended = end_oldest_sessions(transaction, changes_, newest.account);
    if (ended == 0) return;
    AuditEntry entry = own_entry(request, "account.end_sessions", newest.account, newest.tenant);
    entry.detail = sessions_detail(ended);
    append_audit(transaction, entry);
  });
  changes_.announce();
}

Response Logins::tokens_response(const SessionTokens& tokens) const {
  TokenSubject subject{.account = tokens.account, .tenant = tokens.tenant, .session = tokens.session};
  JsonWriter json;
  json.begin_object()
      .member("access_token", issuer_.issue(subject))
      .member("token_type", "Bearer")
      .member("expires_in", issuer_.life().count())
      .member("refresh_token", tokens.refresh_token)
      .member("refresh_expires_in", tokens.refresh_life.count())
      .end_object();
  Response response = services::json_response(200, json.take());
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Outcome<Response> Logins::refresh(const Request& request) {
  TRY(token, read_refresh_token(request));
  RefreshResult result =
      database_.transact_rows([&](Transaction& transaction) { return refresh_session(transaction, times_, token); });
  switch (result.what) {
    case Refresh::kDone: return tokens_response(result.tokens);
    case Refresh::kUnknown: return invalid_refresh_token();
    case Refresh::kDisabled: return refuse(403, "account_disabled", "This account is disabled.");
    case Refresh::kReused: end_stolen(request, result.tokens); return invalid_refresh_token();
  }
  return invalid_refresh_token();
}

void Logins::end_stolen(const Request& request, const SessionTokens& session) {
  database_.transact([&](Transaction& transaction) {
    if (end_session(transaction, changes_, session.account, session.session) == 0) return;
    AuditEntry entry = session_entry(request, "session.reuse", session);
    entry.actor.clear();  // the user or a thief
    append_audit(transaction, entry);
  });
  changes_.announce();
}

Outcome<Response> Logins::log_out(const Request& request) {
  TRY(token, read_refresh_token(request));
  database_.transact([&](Transaction& transaction) {
    auto session = find_session(transaction, token);
    if (!session || end_session(transaction, changes_, session->account, session->session) == 0) return;
    append_audit(transaction, session_entry(request, "session.end", *session));
  });
  changes_.announce();
  return services::json_response(204, {});
}

}  // namespace lotagate::users
