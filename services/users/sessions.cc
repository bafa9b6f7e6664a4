#include "users/sessions.h"

#include <algorithm>

#include "base/result.h"
#include "common/base64url.h"
#include "common/clock.h"
#include "common/secrets.h"

namespace lotagate::users {
namespace {

using services::now_seconds;
using services::Outcome;
using services::Rows;
using services::Transaction;

constexpr std::size_t kSecretBytes = 32;
constexpr std::string_view kPrefix = "lgr_";
constexpr std::int64_t kMostSessions = 100;
constexpr std::int64_t kMostRevoked = 256;
// Gateways forgive clocks up to a minute, so an access token may be taken for valid that much longer.
constexpr std::int64_t kClockSkew = 60;

// A commit may take 7 s to be given up, and then the client needs time to ask again.
constexpr std::int64_t kRepeatable = 15;

struct RefreshToken {
  std::string family;
  std::string current;

  std::string text() const { return std::string(kPrefix) + services::base64url_encode(family + current); }
  std::string family_digest() const { return services::sha256_hex(family); }
  // Of both: the second secret of one session is worth nothing with the first of another.
  std::string token_digest() const { return services::sha256_hex(family + current); }
};

std::optional<RefreshToken> parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  auto bytes = services::base64url_decode(text.substr(kPrefix.size()));
  if (!bytes || bytes->size() != 2 * kSecretBytes) return std::nullopt;
  return RefreshToken{.family = bytes->substr(0, kSecretBytes), .current = bytes->substr(kSecretBytes)};
}

std::string tenant_of(Transaction& transaction, std::string_view account) {
  Rows rows = transaction.query("SELECT tenant FROM accounts WHERE id = ?", {account});
  return rows.next() ? rows.text(0) : std::string();
}

struct Counts {
  std::int64_t open = 0;     // they can be refreshed, or their access tokens are still good
  std::int64_t revoked = 0;  // ended, and gateways are told of them
};

Counts count_sessions(Transaction& transaction, std::string_view account) {
  std::int64_t now = now_seconds();
  Rows rows = transaction.query(
      "SELECT count(CASE WHEN ended_at IS NULL AND (idle_until > ? OR access_until > ?) THEN 1 END), "
      "count(CASE WHEN ended_at IS NOT NULL AND access_until > ? THEN 1 END) FROM sessions WHERE account = ?",
      {now, now, now, account});
  rows.next();
  return {.open = rows.integer(0), .revoked = rows.integer(1)};
}

std::unexpected<services::Problem> too_many_sessions() {
  return std::unexpected(services::Problem{
      429, "too_many_sessions", "Too many sessions of this user were begun and ended.", std::chrono::minutes(1)});
}

}  // namespace

Outcome<SessionTokens> begin_session(Transaction& transaction, const SessionTimes& times, std::string_view account,
                                     const SessionClient& client) {
  // Every session that ends is told to gateways until its access token is over, and they take a bounded list: so many
  // logins of one user within the life of an access token are no person's.
  Counts counts = count_sessions(transaction, account);
  if (counts.open + 1 + counts.revoked > kMostRevoked) return too_many_sessions();
  RefreshToken token{.family = services::random_bytes(kSecretBytes), .current = services::random_bytes(kSecretBytes)};
  std::string id = services::random_id("ses_");
  std::string family = token.family_digest();
  std::string digest = token.token_digest();
  auto life = std::min(times.idle, times.absolute);
  std::int64_t now = now_seconds();
  transaction.run(
      "INSERT INTO sessions (id, account, family_digest, token_digest, created_at, used_at, idle_until, expires_at, "
      "access_until, client, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {std::string_view(id), account, std::string_view(family), std::string_view(digest), now, now, now + life.count(),
       now + times.absolute.count(), now + times.access.count() + kClockSkew, std::string_view(client.address),
       std::string_view(client.user_agent)});
  return SessionTokens{.session = id,
                       .account = std::string(account),
                       .tenant = tenant_of(transaction, account),
                       .refresh_token = token.text(),
                       .refresh_life = life,
                       .crowded = counts.open + 1 > kMostSessions};
}

RefreshResult refresh_session(Transaction& transaction, const SessionTimes& times, std::string_view refresh_token) {
  auto shown = parse(refresh_token);
  if (!shown) return {};
  RefreshToken next{.family = shown->family, .current = services::random_bytes(kSecretBytes)};
  std::string family = shown->family_digest();
  std::string digest = shown->token_digest();
  std::string next_digest = next.token_digest();
  std::int64_t now = now_seconds();
  std::int64_t idle = now + times.idle.count();
  std::int64_t access = now + times.access.count() + kClockSkew;
  RefreshResult result;
  {
    // One statement decides: of two that show the same token, the second finds another digest. The token before the
    // newest is good once more; then there is none before, so whoever has that newest one is a reuse.
    Rows rows = transaction.query(
        "UPDATE sessions SET previous_digest = CASE WHEN token_digest = ? THEN token_digest ELSE '' END, "
        "rotated_at = ?, token_digest = ?, used_at = ?, "
        "idle_until = CASE WHEN expires_at < ? THEN expires_at ELSE ? END, "
        "access_until = CASE WHEN access_until > ? THEN access_until ELSE ? END "
        "WHERE family_digest = ? AND ended_at IS NULL AND idle_until > ? AND (token_digest = ? OR "
        "(previous_digest = ? AND rotated_at BETWEEN ? AND ?)) AND account IN "
        "(SELECT accounts.id FROM accounts JOIN tenants ON tenants.id = tenant WHERE disabled = 0 AND state = "
        "'active') "
        "RETURNING id, account, idle_until",
        {std::string_view(digest), now, std::string_view(next_digest), now, idle, idle, access, access,
         std::string_view(family), now, std::string_view(digest), std::string_view(digest), now - kRepeatable,
         now + kRepeatable});
    if (rows.next()) {
      result.what = Refresh::kDone;
      result.tokens.session = rows.text(0);
      result.tokens.account = rows.text(1);
      result.tokens.refresh_life = std::chrono::seconds(rows.integer(2) - now);
      result.tokens.refresh_token = next.text();
    }
  }
  if (result.what == Refresh::kDone) {
    result.tokens.tenant = tenant_of(transaction, result.tokens.account);
    return result;
  }
  auto session = find_session(transaction, refresh_token);
  if (!session) return {};
  Rows rows = transaction.query(
      "SELECT token_digest FROM sessions WHERE family_digest = ? AND ended_at IS NULL AND idle_until > ?",
      {std::string_view(family), now});
  if (!rows.next()) return {};
  result.what = rows.text(0) == digest ? Refresh::kDisabled : Refresh::kReused;
  result.tokens = std::move(*session);
  return result;
}

std::optional<SessionTokens> find_session(Transaction& transaction, std::string_view refresh_token) {
  auto shown = parse(refresh_token);
  if (!shown) return std::nullopt;
  std::string family = shown->family_digest();
  Rows rows = transaction.query(
      "SELECT sessions.id, account, tenant FROM sessions JOIN accounts ON accounts.id = account "
      "WHERE family_digest = ?",
      {std::string_view(family)});
  if (!rows.next()) return std::nullopt;
  SessionTokens found;
  found.session = rows.text(0);
  found.account = rows.text(1);
  found.tenant = rows.text(2);
  return found;
}

std::int64_t end_session(Transaction& transaction, ChangeFeed& changes, std::string_view account,
                         std::string_view session) {
  std::int64_t ended = transaction.run(
      "UPDATE sessions SET ended_at = ?, idle_until = access_until WHERE id = ? AND account = ? AND ended_at IS NULL",
      {now_seconds(), session, account});
  if (ended > 0) changes.append(transaction, account);
  return ended;
}

std::int64_t end_sessions(Transaction& transaction, ChangeFeed& changes, std::string_view account,
                          std::string_view except) {
  std::int64_t ended = transaction.run(
      "UPDATE sessions SET ended_at = ?, idle_until = access_until WHERE account = ? AND id <> ? AND ended_at IS NULL",
      {now_seconds(), account, except});
  if (ended > 0) changes.append(transaction, account);
  return ended;
}

std::int64_t end_oldest_sessions(Transaction& transaction, ChangeFeed& changes, std::string_view account) {
  std::int64_t now = now_seconds();
  std::int64_t ended = transaction.run(
      "UPDATE sessions SET ended_at = ?, idle_until = access_until WHERE id IN (SELECT id FROM sessions "
      "WHERE account = ? AND ended_at IS NULL AND (idle_until > ? OR access_until > ?) "
      "ORDER BY used_at DESC, created_at DESC, id LIMIT ? OFFSET ?)",
      {now, account, now, now, kMostRevoked, kMostSessions});
  if (ended > 0) changes.append(transaction, account);
  return ended;
}

std::vector<Session> list_sessions(Transaction& transaction, std::string_view account) {
  std::vector<Session> sessions;
  Rows rows = transaction.query(
      "SELECT id, created_at, used_at, idle_until, client, user_agent FROM sessions "
      "WHERE account = ? AND ended_at IS NULL AND idle_until > ? ORDER BY created_at DESC, id",
      {account, now_seconds()});
  while (rows.next()) {
    sessions.push_back({.id = rows.text(0),
                        .created_at = rows.integer(1),
                        .used_at = rows.integer(2),
                        .expires_at = rows.integer(3),
                        .client = {.address = rows.text(4), .user_agent = rows.text(5)}});
  }
  return sessions;
}

std::vector<std::string> revoked_sessions(Transaction& transaction, std::string_view account) {
  std::vector<std::string> ids;
  Rows rows = transaction.query(
      "SELECT id FROM sessions WHERE account = ? AND ended_at IS NOT NULL AND access_until > ? "
      "ORDER BY access_until DESC, id LIMIT ?",
      {account, now_seconds(), kMostRevoked});
  while (rows.next()) ids.push_back(rows.text(0));
  return ids;
}

void tidy_sessions(Transaction& transaction) {
  std::int64_t now = now_seconds();
  transaction.run("DELETE FROM sessions WHERE idle_until < ? AND access_until < ?", {now, now});
}

}  // namespace lotagate::users
