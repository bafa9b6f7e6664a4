// Logging in, refreshing and logging out: who has no access token yet, or no longer.
#pragma once

#include "common/http.h"
#include "users/accounts.h"
#include "users/audit.h"
#include "users/login_guard.h"
#include "users/password.h"
#include "users/sessions.h"
#include "users/token_issuer.h"
#include "users/turns.h"

namespace lotagate::users {

class Logins {
 public:
  Logins(services::Database& database, ChangeFeed& changes, PasswordHasher& hasher, const TokenIssuer& issuer,
         SessionTimes times)
      : database_(database),
        changes_(changes),
        hasher_(hasher),
        issuer_(issuer),
        times_(times),
        accounts_(database),
        guard_(database) {}

  // {username, password} -> tokens. 401, 403 for a disabled account, 429 for too many failures.
  services::Outcome<services::Response> log_in(const services::Request& request);
  // {refresh_token} -> tokens. 401, 403 for a disabled account.
  services::Outcome<services::Response> refresh(const services::Request& request);
  // {refresh_token} -> 204, also for a token that nobody knows (RFC 7009 2.2).
  services::Outcome<services::Response> log_out(const services::Request& request);

  // Whether `password` is the account's, under the same guard as a login. Problems: 401 for a wrong one, 429, 503.
  services::Outcome<Credentials> check(const services::Request& request, std::string_view username,
                                       std::string_view password);
  // As above, to change it: at most ten times within an hour, then as after failures.
  services::Outcome<Credentials> check_for_change(const services::Request& request, const Account& account,
                                                  std::string_view password);
  // The account's failures are forgotten; in the transaction of what the password was for.
  void forget_failures(services::Transaction& transaction, const services::Request& request, std::string_view username,
                       std::string_view account) const;

 private:
  LoginAttempt attempt_of(const services::Request& request, std::string_view username) const;
  services::Outcome<SessionTokens> begin(const services::Request& request, std::string_view username,
                                         const Credentials& credentials, const std::string& new_hash);
  void make_room(const services::Request& request, const SessionTokens& newest);
  services::Response tokens_response(const SessionTokens& tokens) const;
  void note_failure(const services::Request& request, const std::optional<Credentials>& credentials,
                    std::chrono::seconds locked_for);
  void end_stolen(const services::Request& request, const SessionTokens& session);

  services::Database& database_;
  ChangeFeed& changes_;
  PasswordHasher& hasher_;
  const TokenIssuer& issuer_;
  const SessionTimes times_;
  AccountStore accounts_;
  LoginGuard guard_;
  Exclusive checking_;  // accounts whose login is being checked
};

}  // namespace lotagate::users
