#include "common/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <stdexcept>

#include "common/startup_error.h"

namespace lotagate::services {

Database::Database(const std::string& path, std::span<const std::string_view> migrations) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;  // mutex_ serialises
  int opened = sqlite3_open_v2(path.c_str(), &connection_, flags, nullptr);
  try {
    if (opened != SQLITE_OK) fail("open");
    configure();
    migrate(migrations);
  } catch (const std::runtime_error& error) {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(connection_);
    throw StartupError(fmt::format("database {}: {}", path, error.what()));
  }
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(connection_);
}

void Database::configure() {
  sqlite3_busy_timeout(connection_, 2000);
  execute("PRAGMA journal_mode = WAL");
  execute("PRAGMA synchronous = NORMAL");  // with WAL, a power failure may lose the last commits but corrupts nothing
  execute("PRAGMA foreign_keys = ON");
}

void Database::migrate(std::span<const std::string_view> migrations) {
  Transaction transaction(*this);
  execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)");
  std::int64_t version = 0;
  bool stored = false;
  {
    Rows rows = transaction.query("SELECT version FROM schema_version");
    stored = rows.next();
    if (stored) version = rows.integer(0);
  }
  auto newest = static_cast<std::int64_t>(migrations.size());
  if (version > newest) {
    throw std::runtime_error(fmt::format("schema version {} is newer than this program knows ({})", version, newest));
  }
  for (auto next = version; next < newest; ++next)
    execute(std::string(migrations[static_cast<std::size_t>(next)]).c_str());
  if (!stored) transaction.run("INSERT INTO schema_version VALUES (0)");
  transaction.run("UPDATE schema_version SET version = ?", {newest});
  transaction.commit();
}

void Database::execute(const char* sql) {
  if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
}

sqlite3_stmt* Database::prepare(std::string_view sql) {
  auto [place, added] = statements_.try_emplace(sql, nullptr);
  if (place->second == nullptr) {
    sqlite3_stmt* statement = nullptr;
    int prepared = sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
    if (prepared != SQLITE_OK) fail(sql);
    place->second = statement;
  }
  return place->second;
}

void Database::fail(std::string_view what) const {
  throw std::runtime_error(fmt::format("{} ({})", sqlite3_errmsg(connection_), what));
}

namespace {

int bind_value(sqlite3_stmt* statement, int position, const Bound& value) {
  if (auto* number = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(statement, position, *number);
  if (auto* real = std::get_if<double>(&value)) return sqlite3_bind_double(statement, position, *real);
  if (auto* text = std::get_if<std::string_view>(&value)) {
    // An empty view may have no address, which SQLite would take for NULL.
    const char* start = text->empty() ? "" : text->data();
    return sqlite3_bind_text(statement, position, start, static_cast<int>(text->size()), SQLITE_STATIC);
  }
  return sqlite3_bind_null(statement, position);
}

}  // namespace

Rows::~Rows() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Rows::next() {
  int step = sqlite3_step(statement_);
  if (step == SQLITE_ROW) return true;
  if (step != SQLITE_DONE) database_.fail(sqlite3_sql(statement_));
  return false;
}

std::string Rows::text(int column) const {
  const auto* start = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return start == nullptr ? std::string()
                          : std::string(start, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::int64_t Rows::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Rows::real(int column) const { return sqlite3_column_double(statement_, column); }
bool Rows::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

Transaction::Transaction(Database& database) : database_(database), lock_(database.mutex_) {
  database_.execute("BEGIN");
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.connection_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Rows Transaction::query(std::string_view sql, std::initializer_list<Bound> values) {
  sqlite3_stmt* statement = database_.prepare(sql);
  int position = 0;
  for (const Bound& value : values) {
    if (bind_value(statement, ++position, value) != SQLITE_OK) database_.fail(sql);
  }
  return {database_, statement};
}

std::int64_t Transaction::run(std::string_view sql, std::initializer_list<Bound> values) {
  Rows rows = query(sql, values);
  rows.next();
  return sqlite3_changes64(database_.connection_);
}

std::int64_t Transaction::last_row_id() const { return sqlite3_last_insert_rowid(database_.connection_); }

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace lotagate::services
