// Sessions: what a login begins, refresh tokens continue, and a logout ends.
//
// A refresh token is two secrets of 256 bits. The first belongs to the session and stays, the second is new with every
// refresh; the database has digests of both. So whoever shows the session's secret with another second one shows a
// token that was used before: it was copied, by whom nobody can tell, and the session ends. But an answer may get lost,
// so the token before the newest is good once more, for 15 s and while the newest is unused. A thief who uses that is
// found out like any other: then the newest is not the user's any more, and whoever shows his shows a used one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/database.h"
#include "common/problem.h"
#include "users/change_feed.h"

namespace lotagate::users {

// In which a gateway may name the session of a call: `claims_to_headers: { sid: X-Auth-Session }`. Like every X-Auth-
// field, a client's own never passes a gateway.
inline constexpr std::string_view kSessionHeader = "X-Auth-Session";

struct SessionTimes {
  std::chrono::seconds idle;      // a session ends if it is not refreshed for so long
  std::chrono::seconds absolute;  // and so long after the login in any case
  std::chrono::seconds access;    // life of its access tokens
};

// Whom a session was begun for, for the list that its user sees.
struct SessionClient {
  std::string address;
  std::string user_agent;
};

// What a client gets.
struct SessionTokens {
  std::string session;
  std::string account;
  std::string tenant;
  std::string refresh_token;            // lgr_ and 86 base64url characters
  std::chrono::seconds refresh_life{};  // until it is too late to refresh
  bool crowded = false;                 // the account has more sessions than it may: call end_oldest_sessions()
};

// For transact_rows(). Problem: 429 if the account has begun and ended so many within the life of an access token that
// gateways could not be told if all were to end.
services::Outcome<SessionTokens> begin_session(services::Transaction& transaction, const SessionTimes& times,
                                               std::string_view account, const SessionClient& client);

enum class Refresh { kDone, kUnknown, kDisabled, kReused };

struct RefreshResult {
  Refresh what = Refresh::kUnknown;
  SessionTokens tokens;  // kReused: only session, account and tenant
};

// For transact_rows(). kReused has changed nothing yet: call end_session() in a transact().
RefreshResult refresh_session(services::Transaction& transaction, const SessionTimes& times,
                              std::string_view refresh_token);

// The session that a refresh token, also a used one, belongs to.
std::optional<SessionTokens> find_session(services::Transaction& transaction, std::string_view refresh_token);

// Ends sessions and tells the gateways, which then refuse their access tokens. For transact(). How many there were.
std::int64_t end_session(services::Transaction& transaction, ChangeFeed& changes, std::string_view account,
                         std::string_view session);
std::int64_t end_sessions(services::Transaction& transaction, ChangeFeed& changes, std::string_view account,
                          std::string_view except = {});
// All but the hundred that were refreshed last.
std::int64_t end_oldest_sessions(services::Transaction& transaction, ChangeFeed& changes, std::string_view account);

struct Session {
  std::string id;
  std::int64_t created_at = 0;
  std::int64_t used_at = 0;
  std::int64_t expires_at = 0;  // if it is not refreshed
  SessionClient client;
};

// The live ones, newest first.
std::vector<Session> list_sessions(services::Transaction& transaction, std::string_view account);

// Ended sessions whose access tokens gateways may still take for valid: at most 256 (the contract).
std::vector<std::string> revoked_sessions(services::Transaction& transaction, std::string_view account);

// Removes sessions that are over and whose access tokens are, too.
void tidy_sessions(services::Transaction& transaction);

}  // namespace lotagate::users
