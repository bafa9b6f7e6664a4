// The database of the User Management Service. A released migration is never edited; a new one is appended, to the list
// of SQLite and to that of PostgreSQL.
#pragma once

#include <array>
#include <string_view>

#include "common/database.h"
#include "users/administration_schema.h"
#include "users/postgres_schema.h"
#include "users/session_schema.h"

namespace lotagate::users {

// `changes` starts at the time of creation in seconds, so that the revisions of a database that was lost and made anew
// lie beyond all earlier ones and a gateway that asks with an old one is told that everything changed. A change
// without a subject concerns everybody.
inline constexpr std::array<std::string_view, 7> kSqliteMigrations{R"sql(
CREATE TABLE tenants (
  id TEXT PRIMARY KEY,
  plan TEXT NOT NULL CHECK (plan IN ('free', 'pro', 'enterprise')),
  state TEXT NOT NULL CHECK (state IN ('active', 'suspended'))
) STRICT;
CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password_hash TEXT NOT NULL,
  tenant TEXT NOT NULL REFERENCES tenants (id),
  disabled INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX accounts_by_tenant ON accounts (tenant, id);
CREATE TABLE roles (name TEXT PRIMARY KEY) STRICT;
CREATE TABLE role_permissions (
  role TEXT NOT NULL REFERENCES roles (name),
  permission TEXT NOT NULL,
  PRIMARY KEY (role, permission)
) STRICT, WITHOUT ROWID;
CREATE TABLE account_roles (
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  role TEXT NOT NULL REFERENCES roles (name),
  PRIMARY KEY (account, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_roles_by_role ON account_roles (role);
CREATE TABLE changes (revision INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT) STRICT;

INSERT INTO changes (revision, subject) VALUES (unixepoch(), NULL);
INSERT INTO tenants VALUES ('lotabots', 'pro', 'active');
INSERT INTO roles VALUES ('admin'), ('trainer'), ('viewer');
INSERT INTO role_permissions VALUES
  ('admin', '*:*'),
  ('trainer', 'models:read'), ('trainer', 'models:write'), ('trainer', 'infer:run'), ('trainer', 'users:read'),
  ('viewer', 'models:read'), ('viewer', 'infer:run');
)sql", kAdministrationTables, kAuditGuardOfSqlite, kSessionTables, kDisablersOfKeys, kPreviousTokens, kKnownAddresses};

inline constexpr std::array<std::string_view, 8> kPostgresMigrations{
    kFirstTablesOfPostgres, kAdministrationTables, kAuditGuardOfPostgres, kWideNumbersOfPostgres,
    kSessionTables,         kDisablersOfKeys,      kPreviousTokens,       kKnownAddresses};

inline constexpr services::Migrations kMigrations{.sqlite = kSqliteMigrations, .postgres = kPostgresMigrations};

// What the first migration puts into an empty database, by name.
inline constexpr std::string_view kFirstTenant = "lotabots";
inline constexpr std::string_view kAdminRole = "admin";

}  // namespace lotagate::users
