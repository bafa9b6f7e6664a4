#include "users/login_guard.h"

#include <algorithm>

#include "common/clock.h"
#include "common/http_query.h"
#include "common/secrets.h"

namespace lotagate::users {
namespace {

using services::Outcome;
using services::Rows;
using services::Transaction;

constexpr std::int64_t kFirstWait = 30;
constexpr std::int64_t kLongestWait = 15 * 60;
constexpr std::int64_t kMostDoublings = 5;          // of the first wait, to the longest
constexpr std::int64_t kKnownFor = 30 * 24 * 3600;  // seconds since a login from an address
constexpr std::int64_t kKept = 3600;  // seconds; hardly a failure is left of a record that nobody touched so long

// So many failures are free, and so many seconds pass until that many are forgotten: evenly, one after the other.
struct Limit {
  std::int64_t free;
  std::int64_t window;
};
constexpr Limit kOfAccount{.free = 5, .window = 15 * 60};
// An address may be a whole office's, so what counts is how many accounts failed there, not how often.
constexpr Limit kOfAddress{.free = 20, .window = 15 * 60};

// More often nobody needs another password.
constexpr Limit kOfChanges{.free = 10, .window = 3600};

struct Record {
  std::int64_t failures = 0;
  std::int64_t last_at = 0;  // up to when failures were forgotten
  std::int64_t blocked_until = 0;
};

// What people type into the field of the username is sometimes their password, so only a digest of it is kept.
std::string account_record(const LoginAttempt& attempt) { return "account:" + services::sha256_hex(attempt.account); }
std::string address_record(const LoginAttempt& attempt) { return "address:" + attempt.address; }
// Of this account at this address. Where it logged in lately this counts in place of the account's own record, which a
// guesser from elsewhere may have filled.
std::string pair_record(const LoginAttempt& attempt) {
  return "pair:" + services::sha256_hex(attempt.account) + "@" + attempt.address;
}

std::string change_record(std::string_view account) { return "change:" + std::string(account); }

// What is left of `record` now. While somebody has to wait, nothing is forgotten.
Record left_of(Record record, const Limit& limit, std::int64_t now) {
  // Written by a clock that was ahead: it must not lock anybody out for as long as it was.
  if (record.blocked_until > now + kLongestWait) record.blocked_until = 0;
  std::int64_t quiet_since = std::max(std::min(record.last_at, now), record.blocked_until);
  if (quiet_since > now) return record;
  std::int64_t forgotten = (now - quiet_since) * limit.free / limit.window;
  if (forgotten >= record.failures) return {.failures = 0, .last_at = now, .blocked_until = record.blocked_until};
  record.failures -= forgotten;
  record.last_at = quiet_since + forgotten * limit.window / limit.free;
  return record;
}

// Holds the record's row until the transaction ends, so that attempts at the same time are counted one by one.
Record hold(Transaction& transaction, std::string_view who, const Limit& limit, std::int64_t now) {
  Rows rows = transaction.query(
      "INSERT INTO login_failures (who, failures, last_at, blocked_until) VALUES (?, 0, ?, 0) "
      "ON CONFLICT (who) DO UPDATE SET failures = login_failures.failures RETURNING failures, last_at, blocked_until",
      {who, now});
  rows.next();
  return left_of({.failures = rows.integer(0), .last_at = rows.integer(1), .blocked_until = rows.integer(2)}, limit,
                 now);
}

void store(Transaction& transaction, std::string_view who, const Record& record) {
  transaction.run("UPDATE login_failures SET failures = ?, last_at = ?, blocked_until = ? WHERE who = ?",
                  {record.failures, record.last_at, record.blocked_until, who});
}

// `record` after one more failure now.
Record after_failure(Record record, const Limit& limit, std::int64_t now) {
  record.failures = std::min(record.failures + 1, limit.free + kMostDoublings);
  if (record.failures < limit.free) return record;
  record.blocked_until = now + std::min(kFirstWait << (record.failures - limit.free), kLongestWait);
  return record;
}

void take_back(Transaction& transaction, std::string_view who) {
  transaction.run("UPDATE login_failures SET failures = failures - 1, blocked_until = 0 WHERE who = ? AND failures > 0",
                  {who});
}

std::unexpected<services::Problem> too_early(std::int64_t wait) {
  return std::unexpected(services::Problem{
      429, "too_many_attempts", "There were too many attempts; wait before the next one.", std::chrono::seconds(wait)});
}

bool is_known(Transaction& transaction, const LoginAttempt& attempt, std::int64_t now) {
  // What could not be a username is nobody's, and a database may not even take it for a text.
  if (attempt.address.empty() || !services::is_id(attempt.account)) return false;
  Rows rows = transaction.query(
      "SELECT 1 FROM known_addresses JOIN accounts ON accounts.id = account "
      "WHERE username_key = ? AND address = ? AND last_at > ?",
      {std::string_view(attempt.account), std::string_view(attempt.address), now - kKnownFor});
  return rows.next();
}

}  // namespace

std::unexpected<services::Problem> one_at_a_time() {
  return std::unexpected(services::Problem{429, "too_many_attempts",
                                           "Another password of this account is being checked right now.",
                                           std::chrono::seconds(1)});
}

Outcome<Admission> LoginGuard::admit(const LoginAttempt& attempt) {
  std::string account = account_record(attempt);
  std::string pair = pair_record(attempt);
  std::string address = address_record(attempt);
  return database_.transact_rows([&](Transaction& transaction) -> Outcome<Admission> {
    std::int64_t now = services::now_seconds();
    bool somewhere = !attempt.address.empty();
    // Always in this order: two transactions that each hold what the other waits for cannot be.
    bool known = is_known(transaction, attempt, now);
    Record of_account = known ? Record{} : hold(transaction, account, kOfAccount, now);
    Record of_pair = somewhere ? hold(transaction, pair, kOfAccount, now) : Record{};
    Record of_address = somewhere ? hold(transaction, address, kOfAddress, now) : Record{};
    std::int64_t blocked_until =
        std::max(known ? of_pair.blocked_until : of_account.blocked_until, of_address.blocked_until);
    if (blocked_until > now) return too_early(blocked_until - now);

    Admission admission{.first_at_address = somewhere && of_pair.failures == 0};
    of_account = after_failure(of_account, kOfAccount, now);
    of_pair = after_failure(of_pair, kOfAccount, now);
    admission.counted_at_account = !known;
    if (!known) store(transaction, account, of_account);
    if (somewhere) store(transaction, pair, of_pair);
    if (admission.first_at_address) store(transaction, address, after_failure(of_address, kOfAddress, now));
    std::int64_t until = known ? of_pair.blocked_until : of_account.blocked_until;
    admission.locked_for = std::chrono::seconds(std::max<std::int64_t>(until - now, 0));
    return admission;
  });
}

void LoginGuard::succeed(Transaction& transaction, const LoginAttempt& attempt, std::string_view account) {
  std::int64_t now = services::now_seconds();
  // A login where the account is known does not give a guesser elsewhere five more guesses.
  std::string own = account_record(attempt);
  if (!is_known(transaction, attempt, now)) {
    transaction.run("DELETE FROM login_failures WHERE who = ?", {std::string_view(own)});
  }
  std::string pair = pair_record(attempt);
  std::int64_t counted =
      transaction.run("DELETE FROM login_failures WHERE who = ? AND failures > 0", {std::string_view(pair)});
  std::string address = address_record(attempt);
  if (counted > 0) take_back(transaction, address);
  if (attempt.address.empty()) return;
  transaction.run(
      "INSERT INTO known_addresses (account, address, last_at) VALUES (?, ?, ?) "
      "ON CONFLICT (account, address) DO UPDATE SET last_at = excluded.last_at",
      {account, std::string_view(attempt.address), now});
}

void LoginGuard::unlock(Transaction& transaction, std::string_view username) {
  LoginAttempt nowhere{.account = std::string(username), .address = {}};
  std::string account = account_record(nowhere);
  std::string pairs = pair_record(nowhere) + "%";  // hexadecimal: nothing in it stands for something else
  transaction.run("DELETE FROM login_failures WHERE who = ? OR who LIKE ?",
                  {std::string_view(account), std::string_view(pairs)});
}

void LoginGuard::forget(const LoginAttempt& attempt, const Admission& admission) {
  std::string account = account_record(attempt);
  std::string pair = pair_record(attempt);
  std::string address = address_record(attempt);
  database_.transact_rows([&](Transaction& transaction) {
    if (admission.counted_at_account) take_back(transaction, account);
    take_back(transaction, pair);
    if (admission.first_at_address) take_back(transaction, address);
  });
}

Outcome<void> LoginGuard::admit_change(std::string_view account) {
  std::string who = change_record(account);
  return database_.transact_rows([&](Transaction& transaction) -> Outcome<void> {
    std::int64_t now = services::now_seconds();
    Record record = hold(transaction, who, kOfChanges, now);
    if (record.blocked_until > now) return too_early(record.blocked_until - now);
    store(transaction, who, after_failure(record, kOfChanges, now));
    return {};
  });
}

void LoginGuard::forget_change(std::string_view account) {
  std::string who = change_record(account);
  database_.transact_rows([&](Transaction& transaction) { take_back(transaction, who); });
}

void LoginGuard::tidy(Transaction& transaction) {
  std::int64_t old = services::now_seconds() - kKept;
  transaction.run("DELETE FROM login_failures WHERE last_at <= ? AND blocked_until <= ?", {old, old});
  transaction.run("DELETE FROM known_addresses WHERE last_at <= ?", {services::now_seconds() - kKnownFor});
}

}  // namespace lotagate::users
