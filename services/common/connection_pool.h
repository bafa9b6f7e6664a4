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
  //
  // Changes, of which most wait for their turn, get at most half of the connections: what is read, above all by
  // gateways that ask what a user may do, must not wait behind them.
  std::unique_ptr<BackendConnection> take(Database::Mode mode);
  void give_back(std::unique_ptr<BackendConnection> connection, Database::Mode mode);
  void drop(std::unique_ptr<BackendConnection> connection, Database::Mode mode);

  // After one connection broke, the idle ones are as dead.
  void forget_idle();

  std::string name() const { return backend_->name(); }

 private:
  using Clock = std::chrono::steady_clock;

  std::unique_ptr<BackendConnection> connect(Database::Mode mode);
  // Whether there has been a connection before.
  bool note_failure(std::string_view why, bool may_pass, Database::Mode mode);
  void note_success();
  // Under the lock: one user fewer.
  void release(Database::Mode mode);
  // After something was freed; each kind of waiting caller has one to find out what it was.
  void wake();

  const std::unique_ptr<Backend> backend_;
  const int most_;
  const int most_changes_;
  std::mutex mutex_;
  std::condition_variable readable_;
  std::condition_variable changeable_;
  std::vector<std::unique_ptr<BackendConnection>> idle_;
  int open_ = 0;     // in use and idle
  int changes_ = 0;  // in use for changes
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
  PooledConnection(ConnectionPool& pool, Database::Mode mode)
      : pool_(pool), mode_(mode), connection_(pool.take(mode)) {}
  ~PooledConnection();
  PooledConnection(const PooledConnection&) = delete;
  PooledConnection& operator=(const PooledConnection&) = delete;

  BackendConnection& operator*() const { return *connection_; }
  void begin();
  void commit();

 private:
  ConnectionPool& pool_;
  const Database::Mode mode_;
  std::unique_ptr<BackendConnection> connection_;
  bool clean_ = true;  // no transaction is open
};

}  // namespace lotagate::services
