// What slows down guessing passwords: after too many failures, an account has to wait, twice as long each time; and so
// has an address where too many accounts failed. Failures are forgotten evenly, as water leaks from a bucket, so who
// fails seldom never waits. Kept in the database, so it holds for all instances together and over a restart.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/database.h"
#include "common/problem.h"

namespace lotagate::users {

// Who tries. The account need not exist: an unknown one is counted alike, or the difference would tell.
struct LoginAttempt {
  std::string account;  // the key of its username
  std::string address;  // what address_group() says; empty: unknown, and then not counted
};

// What was counted.
struct Admission {
  bool counted_at_account = false;    // not where the account logged in lately: only there, then
  bool first_at_address = false;      // the account had not failed there before, so the address has one more
  std::chrono::seconds locked_for{};  // how long the account now has to wait, if this is one failure too many
};

// 429: another password of this account is being checked.
std::unexpected<services::Problem> one_at_a_time();

class LoginGuard {
 public:
  explicit LoginGuard(services::Database& database) : database_(database) {}

  // Counts the attempt as a failure before its password is looked at, so that many at once are no more guesses than one
  // after the other. 429 `too_many_attempts` for one that comes too early, which is not counted.
  services::Outcome<Admission> admit(const LoginAttempt& attempt);

  // The password of `account` was right: it begins anew, and no longer counts at the address. The others that failed
  // there do, or whoever has one account could use it to guess another's password.
  static void succeed(services::Transaction& transaction, const LoginAttempt& attempt, std::string_view account);
  // Whoever has to wait for this username, anywhere, no longer has to.
  static void unlock(services::Transaction& transaction, std::string_view username);

  // The password was not looked at after all.
  void forget(const LoginAttempt& attempt, const Admission& admission);

  // Counts a change of the account's password by itself, since each takes time of the processor; 429 for too many.
  services::Outcome<void> admit_change(std::string_view account);
  // It was not made, because the current password was wrong: that is a failure, and counted as one.
  void forget_change(std::string_view account);

  // Removes what no longer counts.
  static void tidy(services::Transaction& transaction);

 private:
  services::Database& database_;
};

}  // namespace lotagate::users
