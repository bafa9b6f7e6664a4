// libpq behind one door: a connection that sends a statement, waits no longer than it was told, and knows what an error
// means.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/database.h"

struct pg_conn;
struct pg_result;

namespace lotagate::services {

struct FreePostgresResult {
  void operator()(pg_result* result) const;
};
using PostgresResult = std::unique_ptr<pg_result, FreePostgresResult>;

class PostgresWire {
 public:
  // Connects and sets what every session needs. Throws DatabaseUnavailable or StartupError.
  explicit PostgresWire(const std::string& url);
  ~PostgresWire();
  PostgresWire(const PostgresWire&) = delete;
  PostgresWire& operator=(const PostgresWire&) = delete;

  // Statements without values; the last one's result. No `time`: as long as it takes.
  PostgresResult script(const std::string& sql, std::optional<std::chrono::milliseconds> time);
  void prepare(const std::string& name, const std::string& sql, std::span<const Bound> values);
  PostgresResult run_prepared(const std::string& name, std::span<const Bound> values);

  // No answer came in time, or the connection ended.
  bool broken() const;
  bool in_transaction() const;

  // From begin until the end of a transaction: whether unique values may be written by others at the same time.
  bool others_write = false;
  // From sending COMMIT on, a broken connection leaves open what happened.
  bool committing = false;

 private:
  void wait(std::optional<std::chrono::milliseconds> time);
  PostgresResult finish(std::optional<std::chrono::milliseconds> time);
  [[noreturn]] void lost(std::string_view why) const;
  [[noreturn]] void fail(const pg_result* result) const;

  pg_conn* connection_ = nullptr;
  bool timed_out_ = false;
};

}  // namespace lotagate::services
