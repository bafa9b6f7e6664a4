// The tables of the administration: plans and names of tenants, roles of a tenant, API keys, the audit log. Read by
// SQLite and PostgreSQL alike, but for the guard of the audit log, which each says in its own words.
#pragma once

#include <string_view>

namespace lotagate::users {

// `username_key` is the username folded to lower case, which is unique. A role without a tenant is built in; its id is
// its name. `revision` counts the changes of its row (ETag). `permissions` of a key are separated by spaces.
inline constexpr std::string_view kAdministrationTables = R"sql(
ALTER TABLE tenants ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
UPDATE tenants SET name = id, created_at = (SELECT min(revision) FROM changes);

ALTER TABLE accounts ADD COLUMN username_key TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN kind TEXT NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service'));
ALTER TABLE accounts ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
UPDATE accounts SET username_key = lower(username);
CREATE UNIQUE INDEX accounts_by_username ON accounts (username_key);

ALTER TABLE roles RENAME COLUMN name TO id;
ALTER TABLE roles ADD COLUMN tenant TEXT REFERENCES tenants (id);
ALTER TABLE roles ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE roles ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE roles ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
UPDATE roles SET name = id, created_at = (SELECT min(revision) FROM changes);
UPDATE roles SET description = 'Administers the platform: every tenant, every permission' WHERE id = 'admin';
UPDATE roles SET description = 'Trains models and uses them' WHERE id = 'trainer';
UPDATE roles SET description = 'Uses models' WHERE id = 'viewer';
CREATE UNIQUE INDEX roles_by_name ON roles (tenant, name);
INSERT INTO role_permissions (role, permission) VALUES ('trainer', 'roles:read');

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  digest TEXT NOT NULL UNIQUE,
  last_four TEXT NOT NULL,
  permissions TEXT NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  revision INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX api_keys_by_account ON api_keys (account, id);

CREATE TABLE audit (
  id TEXT PRIMARY KEY,
  time BIGINT NOT NULL,
  actor TEXT NOT NULL,
  actor_key TEXT NOT NULL,
  tenant TEXT NOT NULL,
  action TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  detail TEXT NOT NULL,
  request_id TEXT NOT NULL,
  client TEXT NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);
CREATE INDEX audit_by_actor ON audit (actor, id);
CREATE INDEX audit_by_target ON audit (target_id, id);
)sql";

// Who disabled a key: the owner may enable what he disabled himself. Empty for keys that were disabled before this was
// written down.
inline constexpr std::string_view kDisablersOfKeys =
    "ALTER TABLE api_keys ADD COLUMN disabled_by TEXT NOT NULL DEFAULT ''";

// What was written stays as it was written, whatever a later statement of this program says.
inline constexpr std::string_view kAuditGuardOfSqlite = R"sql(
CREATE TRIGGER audit_keeps_entries BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_keeps_all BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
)sql";

inline constexpr std::string_view kAuditGuardOfPostgres = R"sql(
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_keeps_all BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
EXECUTE FUNCTION audit_is_append_only();
)sql";

}  // namespace lotagate::users
