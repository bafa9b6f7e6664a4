// The one door to stored data: transactions of plain SQL, on SQLite or PostgreSQL.
//
// A statement is one literal text for both: `?` for values, ON CONFLICT, RETURNING, no type names, no functions that
// one of them lacks; truth values are integers (`disabled <> 0`), times are integers. Only migrations differ.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace lotagate::services {

class BackendConnection;
class ConnectionPool;
class Cursor;

// A value bound to a `?`. Views must outlive the call they are passed to, and for query() its Rows.
using Bound = std::variant<std::nullptr_t, std::int64_t, double, std::string_view>;

// The database cannot be reached or is too busy; the next request may fare better. The server answers 503.
struct DatabaseUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A COMMIT was sent and nothing came back: what was to be changed is changed, or not. The server answers 504 and does
// not invite to come again, because the same call may have been done already.
struct CommitUnknown : DatabaseUnavailable {
  using DatabaseUnavailable::DatabaseUnavailable;
};

// A text that no database keeps: it has a NUL or is not UTF-8. The server answers 400.
struct UnstorableText : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `list[i]` takes the schema from version i to i + 1; the table schema_version says where a database is. A released
// migration is never edited; a new one is appended, to both lists.
struct Migrations {
  std::span<const std::string_view> sqlite;
  std::span<const std::string_view> postgres = {};  // empty: SQLite only
};

// The rows of one query, read front to back. One at a time per connection and statement text; ends before its
// transaction does.
class Rows {
 public:
  ~Rows();
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) = delete;

  bool next();

  std::string text(int column) const;  // empty for NULL
  std::int64_t integer(int column) const;
  double real(int column) const;
  bool is_null(int column) const;

 private:
  friend class Transaction;
  explicit Rows(std::unique_ptr<Cursor> cursor);

  std::unique_ptr<Cursor> cursor_;
};

// What the body of a transaction may do. Lives only in Database::transact() and its kin.
class Transaction {
 public:
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // `sql` must be a literal: it is prepared once per connection.
  Rows query(std::string_view sql, std::initializer_list<Bound> values = {});
  // Runs a statement without rows; returns how many rows it changed.
  std::int64_t run(std::string_view sql, std::initializer_list<Bound> values = {});

 private:
  friend class Database;
  explicit Transaction(BackendConnection& connection) : connection_(connection) {}

  BackendConnection& connection_;
};

bool is_postgres_url(std::string_view location);

struct DatabaseOptions {
  // A file for SQLite, or postgresql://... (libpq's connection URI).
  std::string location;
  // At most so many connections; more requests at once wait for one.
  int connections = 8;
  // How long a start waits for a server that is not there yet.
  std::chrono::seconds start_wait{30};
};

// A body gets a Transaction& and returns what the caller wants to know, or nothing. A returned std::unexpected (a
// Problem) and an exception roll back; everything else commits. When another transaction is in the way, or the
// connection broke before the commit was sent, the body runs again: it must not change anything but its own locals.
//
// Throws DatabaseUnavailable (503), CommitUnknown (504) and std::runtime_error (500) for a statement that is wrong.
class Database {
 public:
  // Brings the schema up to date, under a lock, so that any number of instances may start at once. Throws StartupError.
  Database(DatabaseOptions options, const Migrations& migrations);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Changes, one transaction at a time in all instances together: what the body reads stays true until its commit. The
  // right choice for everything that is not done a hundred times a second.
  template <typename Body>
  auto transact(Body&& body) {
    return run(Mode::kAlone, body);
  }

  // Changes beside other transactions. Each statement sees what was committed before it began; an UPDATE holds its rows
  // until the end. Correct only if the body decides by what its UPDATEs and INSERTs report, not by an earlier SELECT.
  template <typename Body>
  auto transact_rows(Body&& body) {
    return run(Mode::kRows, body);
  }

  // Reads one consistent state, and changes nothing.
  template <typename Body>
  auto read(Body&& body) {
    return run(Mode::kRead, body);
  }

  enum class Mode { kAlone, kRows, kRead };

 private:
  template <typename T>
  static constexpr bool is_refusal(const T&) {
    return false;
  }
  template <typename T, typename E>
  static constexpr bool is_refusal(const std::expected<T, E>& result) {
    return !result.has_value();
  }

  template <typename Body>
  std::invoke_result_t<Body&, Transaction&> run(Mode mode, Body& body) {
    using Result = std::invoke_result_t<Body&, Transaction&>;
    if constexpr (std::is_void_v<Result>) {
      perform(mode, [&](Transaction& transaction) {
        body(transaction);
        return true;
      });
    } else {
      std::optional<Result> result;
      perform(mode, [&](Transaction& transaction) {
        result.emplace(body(transaction));
        return !is_refusal(*result);
      });
      return std::move(*result);
    }
  }

  // `body` says whether to commit.
  void perform(Mode mode, const std::function<bool(Transaction&)>& body);
  void migrate(std::span<const std::string_view> migrations);

  std::unique_ptr<ConnectionPool> pool_;
};

}  // namespace lotagate::services
