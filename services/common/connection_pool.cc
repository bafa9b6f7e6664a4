#include "common/connection_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"
#include "common/startup_error.h"

namespace lotagate::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kLongestWait = seconds(2);
constexpr auto kFirstPause = milliseconds(50);
constexpr auto kLongestPause = seconds(1);

}  // namespace

ConnectionPool::ConnectionPool(std::unique_ptr<Backend> backend, int most)
    : backend_(std::move(backend)), most_(most), most_changes_(std::max(1, most / 2)) {}

std::unique_ptr<BackendConnection> ConnectionPool::take(Database::Mode mode) {
  bool reads = mode == Database::Mode::kRead;
  {
    std::unique_lock lock(mutex_);
    auto available = [this, reads] { return (!idle_.empty() || open_ < most_) && (reads || changes_ < most_changes_); };
    auto& freed = reads ? readable_ : changeable_;
    if (!freed.wait_for(lock, kLongestWait, available)) throw DatabaseUnavailable("every connection is in use");
    bool must_connect = idle_.empty();
    if (must_connect && away_ && (trying_ || Clock::now() < next_try_)) throw DatabaseUnavailable(why_away_);
    if (!reads) ++changes_;
    if (!must_connect) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
    trying_ = true;
    ++open_;
  }
  return connect(mode);
}

// Outside the lock: a server that does not answer must not keep others from the connections that work.
std::unique_ptr<BackendConnection> ConnectionPool::connect(Database::Mode mode) {
  try {
    auto connection = backend_->connect();
    note_success();
    return connection;
  } catch (const DatabaseUnavailable& away) {
    note_failure(away.what(), true, mode);
    throw;
  } catch (const StartupError& refused) {
    // What stops a start need not end a running service: whoever changed the password may be about to say so.
    if (!note_failure(refused.what(), false, mode)) throw;
    throw DatabaseUnavailable(refused.what());
  } catch (const std::exception& error) {
    note_failure(error.what(), false, mode);
    throw;
  }
}

void ConnectionPool::note_success() {
  std::scoped_lock lock(mutex_);
  trying_ = false;
  connected_before_ = true;
  if (away_) log_line(fmt::format("database {} is back", backend_->name()));
  away_ = false;
  pause_ = {};
}

bool ConnectionPool::note_failure(std::string_view why, bool may_pass, Database::Mode mode) {
  bool connected_before = false;
  {
    std::scoped_lock lock(mutex_);
    connected_before = connected_before_;
    trying_ = false;
    --open_;
    release(mode);
    if (!away_ && (may_pass || connected_before))
      log_line(fmt::format("database {} is away: {}", backend_->name(), why));
    away_ = true;
    why_away_ = why;
    pause_ = std::clamp<Clock::duration>(pause_ * 2, kFirstPause, kLongestPause);
    next_try_ = Clock::now() + pause_;
  }
  wake();
  return connected_before;
}

void ConnectionPool::release(Database::Mode mode) {
  if (mode != Database::Mode::kRead) --changes_;
}

void ConnectionPool::wake() {
  readable_.notify_one();
  changeable_.notify_one();
}

void ConnectionPool::give_back(std::unique_ptr<BackendConnection> connection, Database::Mode mode) {
  {
    std::scoped_lock lock(mutex_);
    release(mode);
    idle_.push_back(std::move(connection));
  }
  wake();
}

void ConnectionPool::drop(std::unique_ptr<BackendConnection> connection, Database::Mode mode) {
  connection.reset();
  {
    std::scoped_lock lock(mutex_);
    --open_;
    release(mode);
  }
  wake();
}

void ConnectionPool::forget_idle() {
  std::vector<std::unique_ptr<BackendConnection>> dead;
  {
    std::scoped_lock lock(mutex_);
    open_ -= static_cast<int>(idle_.size());
    dead.swap(idle_);
  }
  readable_.notify_all();
  changeable_.notify_all();
}

void PooledConnection::begin() {
  clean_ = false;
  connection_->begin(mode_);
}

void PooledConnection::commit() {
  connection_->commit();
  clean_ = true;
}

PooledConnection::~PooledConnection() {
  if (clean_ || connection_->roll_back()) {
    pool_.give_back(std::move(connection_), mode_);
  } else {
    pool_.drop(std::move(connection_), mode_);
  }
}

}  // namespace lotagate::services
