// SQLite behind one small door: every statement runs inside a Transaction, and a transaction holds the database's lock.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

struct sqlite3;
struct sqlite3_stmt;

namespace lotagate::services {

// A value bound to a `?`. Views must outlive the call they are passed to, and for query() its Rows.
using Bound = std::variant<std::nullptr_t, std::int64_t, double, std::string_view>;

// One connection (WAL, foreign keys on) with its prepared statements. A failing database is no client's fault:
// everything here throws std::runtime_error, which becomes a 500; the constructor throws StartupError.
class Database {
 public:
  // `migrations[i]` takes the schema from version i to i + 1; the table schema_version says where the file is.
  Database(const std::string& path, std::span<const std::string_view> migrations);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

 private:
  friend class Rows;
  friend class Transaction;

  void configure();
  void migrate(std::span<const std::string_view> migrations);
  void execute(const char* sql);
  sqlite3_stmt* prepare(std::string_view sql);
  [[noreturn]] void fail(std::string_view what) const;

  std::mutex mutex_;
  sqlite3* connection_ = nullptr;
  // The keys are the literals that the services pass, which live as long as the process.
  std::unordered_map<std::string_view, sqlite3_stmt*> statements_;
};

// The rows of one query, read front to back. One at a time per statement text; ends before its transaction does.
class Rows {
 public:
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  bool next();

  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  bool is_null(int column) const;

 private:
  friend class Transaction;
  Rows(Database& database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}

  Database& database_;
  sqlite3_stmt* statement_;
};

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // `sql` must be a literal: it is prepared once per process.
  Rows query(std::string_view sql, std::initializer_list<Bound> values = {});
  // Runs a statement without rows; returns how many rows it changed.
  std::int64_t run(std::string_view sql, std::initializer_list<Bound> values = {});

  std::int64_t last_row_id() const;
  void commit();

 private:
  Database& database_;
  std::unique_lock<std::mutex> lock_;
  bool open_ = true;
};

}  // namespace lotagate::services
