#include "users/login_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/clock.h"
#include "common/secrets.h"

namespace lotagate::users {
namespace {

using services::Outcome;
using services::Rows;
using services::Transaction;

constexpr std::int64_t kWindow = 15 * 60;  // seconds without a failure after which they are forgotten
constexpr std::int64_t kFirstWait = 30;
constexpr std::int64_t kLongestWait = 15 * 60;
constexpr std::int64_t kAccountFailures = 5;
// An address may be a whole office's.
constexpr std::int64_t kAddressFailures = 20;

struct Record {
  std::int64_t failures = 0;
  std::int64_t last_at = 0;
  std::int64_t blocked_until = 0;
};

// What people type into the field of the username is sometimes their password, so only a digest of it is kept.
std::string account_record(const LoginAttempt& attempt) { return "account:" + services::sha256_hex(attempt.account); }
std::string address_record(const LoginAttempt& attempt) { return "address:" + attempt.address; }

// Holds the record's row until the transaction ends, so that attempts at the same time are counted one by one.
Record hold(Transaction& transaction, std::string_view who) {
  Rows rows = transaction.query(
      "INSERT INTO login_failures (who, failures, last_at, blocked_until) VALUES (?, 0, 0, 0) "
      "ON CONFLICT (who) DO UPDATE SET failures = login_failures.failures RETURNING failures, last_at, blocked_until",
      {who});
  rows.next();
  return {.failures = rows.integer(0), .last_at = rows.integer(1), .blocked_until = rows.integer(2)};
}

void store(Transaction& transaction, std::string_view who, const Record& record) {
  transaction.run("UPDATE login_failures SET failures = ?, last_at = ?, blocked_until = ? WHERE who = ?",
                  {record.failures, record.last_at, record.blocked_until, who});
}

// `record` after one more failure now.
Record after_failure(Record record, std::int64_t allowed, std::int64_t now) {
  if (now > std::max(record.last_at, record.blocked_until) + kWindow) record = {};
  ++record.failures;
  record.last_at = now;
  if (record.failures < allowed) return record;
  auto doublings = std::min<std::int64_t>(record.failures - allowed, 10);
  record.blocked_until = now + std::min(kFirstWait << doublings, kLongestWait);
  return record;
}

void take_back(Transaction& transaction, std::string_view who) {
  transaction.run("UPDATE login_failures SET failures = failures - 1, blocked_until = 0 WHERE who = ? AND failures > 0",
                  {who});
}

std::unexpected<services::Problem> too_early(std::int64_t wait) {
  return std::unexpected(services::Problem{429, "too_many_attempts",
                                           "There were too many failed attempts; wait before the next one.",
                                           std::chrono::seconds(wait)});
}

}  // namespace

Outcome<std::chrono::seconds> LoginGuard::admit(const LoginAttempt& attempt) {
  std::string account = account_record(attempt);
  std::string address = address_record(attempt);
  return database_.transact_rows([&](Transaction& transaction) -> Outcome<std::chrono::seconds> {
    std::int64_t now = services::now_seconds();
    // Always the account first: two transactions that each hold what the other waits for cannot be.
    Record of_account = hold(transaction, account);
    Record of_address = attempt.address.empty() ? Record{} : hold(transaction, address);
    std::int64_t blocked_until = std::max(of_account.blocked_until, of_address.blocked_until);
    if (blocked_until > now) return too_early(blocked_until - now);

    of_account = after_failure(of_account, kAccountFailures, now);
    store(transaction, account, of_account);
    if (!attempt.address.empty()) store(transaction, address, after_failure(of_address, kAddressFailures, now));
    return std::chrono::seconds(std::max<std::int64_t>(of_account.blocked_until - now, 0));
  });
}

void LoginGuard::succeed(Transaction& transaction, const LoginAttempt& attempt) {
  std::string account = account_record(attempt);
  transaction.run("DELETE FROM login_failures WHERE who = ?", {std::string_view(account)});
  std::string address = address_record(attempt);
  take_back(transaction, address);
}

void LoginGuard::forget(const LoginAttempt& attempt) {
  std::string account = account_record(attempt);
  std::string address = address_record(attempt);
  database_.transact_rows([&](Transaction& transaction) {
    take_back(transaction, account);
    take_back(transaction, address);
  });
}

void LoginGuard::tidy(Transaction& transaction) {
  std::int64_t old = services::now_seconds() - kWindow;
  transaction.run("DELETE FROM login_failures WHERE last_at < ? AND blocked_until < ?", {old, old});
}

}  // namespace lotagate::users
