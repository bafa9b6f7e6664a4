#include "common/database.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <random>
#include <thread>

#include "common/backend.h"
#include "common/connection_pool.h"
#include "common/startup_error.h"

namespace lotagate::services {
namespace {

using std::chrono::milliseconds;

// Conflicts are rare: changes wait for each other in kAlone, and rows that are updated are locked. A tenth meeting in a
// row is overload, and the client may come again.
constexpr int kMostAttempts = 10;
// A pooled connection may have died while idle, and so may the next one; a third time is no accident.
constexpr int kMostConnections = 3;
constexpr auto kStartPause = milliseconds(200);
// A file is there or it is not; only another process's migration is worth waiting for.
constexpr auto kFileStartWait = std::chrono::seconds(3);

// Without it, two that met would meet again.
void pause_before(int attempt) {
  std::random_device random;
  std::uniform_int_distribution<int> spread(1, 5 * attempt);
  std::this_thread::sleep_for(milliseconds(spread(random)));
}

// Both databases store UTF-8, but SQLite would keep other bytes, too, and PostgreSQL's client library would end a text
// at its NUL: the same text must never be two different ones.
void check_texts(std::initializer_list<Bound> values) {
  for (const Bound& value : values) {
    const auto* text = std::get_if<std::string_view>(&value);
    if (text == nullptr) continue;
    if (text->find('\0') == std::string_view::npos && simdjson::validate_utf8(*text)) continue;
    throw UnstorableText("a text is not UTF-8, or has a NUL");
  }
}

}  // namespace

Database::Database(DatabaseOptions options, const Migrations& migrations) {
  bool postgres = is_postgres_url(options.location);
  auto list = postgres ? migrations.postgres : migrations.sqlite;
  auto backend = postgres ? open_postgres(options.location) : open_sqlite(options.location);
  pool_ = std::make_unique<ConnectionPool>(std::move(backend), options.connections);
  auto deadline = std::chrono::steady_clock::now() + (postgres ? options.start_wait : kFileStartWait);
  while (true) {
    try {
      migrate(list);
      return;
    } catch (const DatabaseUnavailable& away) {
      if (std::chrono::steady_clock::now() > deadline) {
        throw StartupError(fmt::format("database {}: {}", pool_->name(), away.what()));
      }
    } catch (const StartupError&) {
      throw;
    } catch (const std::runtime_error& error) {
      throw StartupError(fmt::format("database {}: {}", pool_->name(), error.what()));
    }
    std::this_thread::sleep_for(kStartPause);
  }
}

Database::~Database() = default;

void Database::perform(Mode mode, const std::function<bool(Transaction&)>& body) {
  for (int attempt = 1;; ++attempt) {
    try {
      PooledConnection connection(*pool_, mode);
      connection.begin();
      Transaction transaction(*connection);
      if (body(transaction)) connection.commit();
      return;
    } catch (const TransactionConflict& conflict) {
      if (attempt == kMostAttempts) throw DatabaseUnavailable(conflict.what());
    } catch (const ConnectionLost& lost) {
      pool_->forget_idle();
      if (attempt >= kMostConnections) throw DatabaseUnavailable(lost.what());
    }
    pause_before(attempt);
  }
}

void Database::migrate(std::span<const std::string_view> migrations) {
  PooledConnection connection(*pool_, Mode::kAlone);
  connection.begin();  // a second instance that starts now waits here, then finds the work done
  Transaction transaction(*connection);
  (*connection).script("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)");
  std::optional<std::int64_t> stored;
  {
    Rows rows = transaction.query("SELECT version FROM schema_version");
    if (rows.next()) stored = rows.integer(0);
  }
  std::int64_t version = stored.value_or(0);
  auto newest = static_cast<std::int64_t>(migrations.size());
  if (version > newest) {
    throw StartupError(fmt::format("database {}: schema version {} is newer than this program knows ({})",
                                   pool_->name(), version, newest));
  }
  for (auto next = version; next < newest; ++next) (*connection).script(migrations[static_cast<std::size_t>(next)]);
  if (!stored) transaction.run("INSERT INTO schema_version VALUES (0)");
  transaction.run("UPDATE schema_version SET version = ?", {newest});
  connection.commit();
}

Rows::Rows(std::unique_ptr<Cursor> cursor) : cursor_(std::move(cursor)) {}
Rows::Rows(Rows&&) noexcept = default;
Rows::~Rows() = default;

bool Rows::next() { return cursor_->next(); }
std::string Rows::text(int column) const { return cursor_->text(column); }
std::int64_t Rows::integer(int column) const { return cursor_->integer(column); }
double Rows::real(int column) const { return cursor_->real(column); }
bool Rows::is_null(int column) const { return cursor_->is_null(column); }

Rows Transaction::query(std::string_view sql, std::initializer_list<Bound> values) {
  check_texts(values);
  return Rows(connection_.query(sql, values));
}

std::int64_t Transaction::run(std::string_view sql, std::initializer_list<Bound> values) {
  check_texts(values);
  return connection_.run(sql, values);
}

}  // namespace lotagate::services
