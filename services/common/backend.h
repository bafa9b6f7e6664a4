// What a kind of database implements. Used by database.cc and its pool alone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/database.h"

namespace lotagate::services {

// Another transaction is in the way (a deadlock, a serialization failure, a unique value written at the same time): the
// same work, begun again, may succeed.
struct TransactionConflict : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The connection is gone before a COMMIT was sent, so nothing has happened and the work may begin again on another.
// When a COMMIT may have happened, a connection throws CommitUnknown instead.
struct ConnectionLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The rows that one statement yields; Rows says what the functions mean.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool next() = 0;
  virtual std::string text(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual double real(int column) const = 0;
  virtual bool is_null(int column) const = 0;
};

// One connection with its prepared statements; used by one thread at a time.
class BackendConnection {
 public:
  virtual ~BackendConnection() = default;

  virtual void begin(Database::Mode mode) = 0;
  virtual void commit() = 0;
  // Also after a failure. False: this connection cannot be used again.
  virtual bool roll_back() noexcept = 0;

  virtual std::unique_ptr<Cursor> query(std::string_view sql, std::span<const Bound> values) = 0;
  virtual std::int64_t run(std::string_view sql, std::span<const Bound> values) = 0;
  // Several statements without values, however long they take.
  virtual void script(std::string_view sql) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Throws DatabaseUnavailable for what may pass by itself, StartupError for what needs somebody to change something.
  virtual std::unique_ptr<BackendConnection> connect() = 0;
  // The database's name for messages, without its password.
  virtual std::string name() const = 0;
};

std::unique_ptr<Backend> open_sqlite(const std::string& path);

std::unique_ptr<Backend> open_postgres(const std::string& url);

}  // namespace lotagate::services
