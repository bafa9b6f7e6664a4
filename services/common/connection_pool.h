// The few connections that all requests share, and what is known about whether the database is there.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/backend.h"

namespace lotagate::services {

class ConnectionPool {
 public:
  ConnectionPool(std::unique_ptr<Backend> backend, int most);

  // A connection of one's own until give_back() or drop(). Waits for one that others use, up to two seconds. While the
  // database is away only one caller at a time tries to reach it, after pauses that grow to a second, and everybody
  // else learns so at once: a hundred waiting requests would help nobody. Throws DatabaseUnavailable or StartupError.
  std::unique_ptr<BackendConnection> take();
  void give_back(std::unique_ptr<BackendConnection> connection);
  void drop(std::unique_ptr<BackendConnection> connection);

  // After one connection broke, the idle ones are as dead.
  void forget_idle();

  std::string name() const { return backend_->name(); }

 private:
  using Clock = std::chrono::steady_clock;

  std::unique_ptr<BackendConnection> connect();
  // Whether there has been a connection before.
  bool note_failure(std::string_view why, bool may_pass);
  void note_success();

  const std::unique_ptr<Backend> backend_;
  const int most_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<BackendConnection>> idle_;
  int open_ = 0;  // in use and idle
  bool connected_before_ = false;
  bool away_ = false;
  bool trying_ = false;  // somebody is connecting while the database is away
  std::string why_away_;
  Clock::time_point next_try_{};
  Clock::duration pause_{};
};

// One connection for the length of a scope; what was not committed is rolled back at its end.
class PooledConnection {
 public:
  explicit PooledConnection(ConnectionPool& pool) : pool_(pool), connection_(pool.take()) {}
  ~PooledConnection();
  PooledConnection(const PooledConnection&) = delete;
  PooledConnection& operator=(const PooledConnection&) = delete;

  BackendConnection& operator*() const { return *connection_; }
  void begin(Database::Mode mode);
  void commit();

 private:
  ConnectionPool& pool_;
  std::unique_ptr<BackendConnection> connection_;
  bool clean_ = true;  // no transaction is open
};

}  // namespace lotagate::services
