// The tables of logins: sessions, failures, signing keys. Read by SQLite and PostgreSQL alike.
#pragma once

#include <string_view>

namespace lotagate::users {

// Digests are SHA-256 in hexadecimal. Times are seconds since 1970, but those of signing keys, whose schedule is also
// tested with lives of a second, are milliseconds.
//
// A session is live while `ended_at` is NULL and `idle_until`, which never lies beyond `expires_at`, is not over. The
// row of an ended one stays until the last access token that it got has expired (`access_until`).
inline constexpr std::string_view kSessionTables = R"sql(
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  family_digest TEXT NOT NULL UNIQUE,
  token_digest TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  idle_until BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  access_until BIGINT NOT NULL,
  ended_at BIGINT,
  client TEXT NOT NULL,
  user_agent TEXT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account, created_at);
CREATE INDEX sessions_by_time ON sessions (idle_until);

CREATE TABLE login_failures (
  who TEXT PRIMARY KEY,
  failures BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  blocked_until BIGINT NOT NULL
);
CREATE INDEX login_failures_by_time ON login_failures (last_at);

CREATE TABLE signing_keys (
  id TEXT PRIMARY KEY,
  algorithm TEXT NOT NULL,
  public_jwk TEXT NOT NULL,
  sealed_key TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  active_from_ms BIGINT NOT NULL,
  longest_token_ms BIGINT NOT NULL
);

ALTER TABLE changes ADD COLUMN api_key TEXT;
)sql";

// The refresh token before the newest, which a client whose answer got lost may show once more; empty if none is.
inline constexpr std::string_view kPreviousTokens = R"sql(
ALTER TABLE sessions ADD COLUMN previous_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN rotated_at BIGINT NOT NULL DEFAULT 0;
)sql";

// Groups of addresses from which an account logged in lately: a guesser elsewhere does not make it wait there.
inline constexpr std::string_view kKnownAddresses = R"sql(
CREATE TABLE known_addresses (
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  address TEXT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (account, address)
);
CREATE INDEX known_addresses_by_time ON known_addresses (last_at);
)sql";

}  // namespace lotagate::users
