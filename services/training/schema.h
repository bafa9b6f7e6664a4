// The database of the training service. A released migration is never edited; a new one is appended.
#pragma once

#include <array>
#include <string_view>

#include "common/database.h"

namespace lotagate::training {

// What a training yields (version, trained_at, rows, ...) stays until a later training of the model succeeds.
inline constexpr std::array<std::string_view, 1> kSqliteMigrations{R"sql(
CREATE TABLE models (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('linear', 'logistic')),
  state TEXT NOT NULL CHECK (state IN ('registered', 'training', 'ready', 'failed')),
  error TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 0,
  trained_at INTEGER NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0,
  features INTEGER NOT NULL DEFAULT 0,
  intercept REAL NOT NULL DEFAULT 0,
  coefficients TEXT NOT NULL DEFAULT '[]',
  metrics TEXT NOT NULL DEFAULT '{}',
  UNIQUE (tenant, name)
) STRICT;
)sql"};
inline constexpr services::Migrations kMigrations{.sqlite = kSqliteMigrations};

}  // namespace lotagate::training
