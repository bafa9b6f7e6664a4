// The listening socket and a thread for every connection, bounded in number, that a stop ends at once.
//
// cpp-httplib's own loop does not fit connections that a gateway keeps: its backlog is 5, an idle connection wakes its
// thread ninety times a second, and stop() waits for each idle one until its keep-alive time is over.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "base/address.h"

namespace lotagate::services {

class Acceptor;

// One accepted connection, on its own thread. The acceptor closes the socket after the thread's function returned.
class Connection {
 public:
  int fd() const { return fd_; }
  const SocketAddress& peer() const { return peer_; }

  using Clock = std::chrono::steady_clock;

  // Waits for the first byte of the next request. False: the peer closed, `time` is over, or the process stops.
  bool wait_for_request(std::chrono::milliseconds time);
  // Waits for more of the request that began at `begun`. False: nothing came in `time`.
  bool wait_for_more(Clock::time_point begun, std::chrono::milliseconds time);

 private:
  friend class Acceptor;

  Acceptor* acceptor_ = nullptr;
  int fd_ = -1;
  SocketAddress peer_;
  std::thread thread_;
  // Guarded by the acceptor's mutex:
  bool idle_ = true;      // waits for a request
  bool reading_ = false;  // waits for more of one
  bool finished_ = false;
  Clock::time_point since_;  // when it became idle, or the request began
};

class Acceptor {
 public:
  using Serve = std::function<void(Connection&)>;

  // Binds and listens; port 0 takes a free one. Throws StartupError, e.g. for a busy port.
  Acceptor(const SocketAddress& listen, std::size_t max_connections);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // The address in use, with the port that was chosen.
  const SocketAddress& address() const { return address_; }

  // Serves until `stop_fd` becomes readable; then new and idle connections are closed and false from
  // wait_for_request ends the others.
  void run(int stop_fd, const Serve& serve);

  // Waits `grace` for the connections in use, then shuts their sockets; returns when every thread has ended.
  void finish(std::chrono::milliseconds grace);

 private:
  friend class Connection;

  int make_room();
  Connection* most_dispensable();
  void accept_one(const Serve& serve);
  void start(int fd, const SocketAddress& peer, const Serve& serve);
  void reap_finished();

  const std::size_t max_connections_;
  SocketAddress address_;
  int listen_fd_ = -1;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::list<Connection> connections_;
  bool stopping_ = false;
};

}  // namespace lotagate::services
