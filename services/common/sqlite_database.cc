// SQLite: a file of this process's own, or of several on one machine. WAL: reading goes on beside the one that writes.
#include <fmt/format.h>
#include <sqlite3.h>

#include <mutex>
#include <unordered_map>

#include "common/backend.h"
#include "common/startup_error.h"

namespace lotagate::services {
namespace {

constexpr auto kLongestWait = std::chrono::seconds(2);

// What another process, the disk or the memory is to blame for passes; the rest is a wrong statement or a damaged file.
bool may_pass(int code) {
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY: return true;
    default: return false;
  }
}

[[noreturn]] void fail(sqlite3* connection, std::string_view what) {
  std::string message = fmt::format("{} ({})", sqlite3_errmsg(connection), what);
  if (may_pass(sqlite3_extended_errcode(connection))) throw DatabaseUnavailable(message);
  throw std::runtime_error(message);
}

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

class SqliteCursor final : public Cursor {
 public:
  explicit SqliteCursor(sqlite3_stmt* statement) : statement_(statement) {}
  ~SqliteCursor() override {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

  bool next() override {
    int step = sqlite3_step(statement_);
    if (step == SQLITE_ROW) return true;
    if (step != SQLITE_DONE) fail(sqlite3_db_handle(statement_), sqlite3_sql(statement_));
    return false;
  }

  std::string text(int column) const override {
    const auto* start = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return start == nullptr ? std::string()
                            : std::string(start, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }
  std::int64_t integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  double real(int column) const override { return sqlite3_column_double(statement_, column); }
  bool is_null(int column) const override { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  sqlite3_stmt* statement_;
};

class SqliteConnection final : public BackendConnection {
 public:
  SqliteConnection(const std::string& path, std::timed_mutex& writer) : writing_(writer, std::defer_lock) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;  // one thread at a time
    int opened = sqlite3_open_v2(path.c_str(), &connection_, flags, nullptr);
    try {
      if (opened != SQLITE_OK) fail(connection_, "open");
      sqlite3_busy_timeout(connection_, static_cast<int>(std::chrono::milliseconds(kLongestWait).count()));
      execute("PRAGMA journal_mode = WAL");
      execute("PRAGMA synchronous = FULL");  // a commit has reached the disk before it is answered
      execute("PRAGMA foreign_keys = ON");
    } catch (...) {
      sqlite3_close(connection_);
      throw;
    }
  }

  ~SqliteConnection() override {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(connection_);
  }

  void begin(Database::Mode mode) override {
    if (mode == Database::Mode::kRead) {
      execute("BEGIN");
      return;
    }
    // One writer at a time is all that SQLite has. In this process they queue here; other processes are waited for by
    // polling (busy_timeout), which would be slow and unfair among threads.
    if (!writing_.try_lock_for(kLongestWait)) throw DatabaseUnavailable("the database is being written to");
    execute("BEGIN IMMEDIATE");
  }

  void commit() override {
    execute("COMMIT");
    end_writing();
  }

  bool roll_back() noexcept override {
    bool open = sqlite3_get_autocommit(connection_) == 0;
    bool done = !open || sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK;
    end_writing();
    return done;
  }

  std::unique_ptr<Cursor> query(std::string_view sql, std::span<const Bound> values) override {
    sqlite3_stmt* statement = prepare(sql);
    int position = 0;
    for (const Bound& value : values) {
      if (bind_value(statement, ++position, value) != SQLITE_OK) fail(connection_, sql);
    }
    return std::make_unique<SqliteCursor>(statement);
  }

  std::int64_t run(std::string_view sql, std::span<const Bound> values) override {
    query(sql, values)->next();
    return sqlite3_changes64(connection_);
  }

  void script(std::string_view sql) override { execute(std::string(sql).c_str()); }

 private:
  void execute(const char* sql) {
    if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(connection_, sql);
  }

  void end_writing() noexcept {
    if (writing_.owns_lock()) writing_.unlock();
  }

  sqlite3_stmt* prepare(std::string_view sql) {
    auto known = statements_.find(sql);
    if (known != statements_.end()) return known->second;
    sqlite3_stmt* statement = nullptr;
    int prepared = sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
    if (prepared != SQLITE_OK) fail(connection_, sql);
    statements_.emplace(sql, statement);
    return statement;
  }

  std::unique_lock<std::timed_mutex> writing_;
  sqlite3* connection_ = nullptr;
  // The keys are the literals that the services pass, which live as long as the process.
  std::unordered_map<std::string_view, sqlite3_stmt*> statements_;
};

class SqliteBackend final : public Backend {
 public:
  explicit SqliteBackend(std::string path) : path_(std::move(path)) {}

  std::unique_ptr<BackendConnection> connect() override { return std::make_unique<SqliteConnection>(path_, writer_); }
  std::string name() const override { return path_; }

 private:
  const std::string path_;
  std::timed_mutex writer_;
};

}  // namespace

std::unique_ptr<Backend> open_sqlite(const std::string& path) { return std::make_unique<SqliteBackend>(path); }

}  // namespace lotagate::services
