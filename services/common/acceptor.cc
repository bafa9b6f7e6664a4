#include "common/acceptor.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/sockaddr.h"
#include "common/startup_error.h"

namespace lotagate::services {
namespace {

using std::chrono::milliseconds;

// Bursts of connections wait here instead of losing their SYN, which would cost each of them a second.
constexpr int kBacklog = 1024;
// How long the loop rests when the process has no descriptor, thread or connection to spare.
constexpr int kOverloadPauseMs = 20;
// Until a connection that was shut has ended.
constexpr int kEndingPauseMs = 1;
// A request arrives within milliseconds of its connection and of its first byte; what takes longer may have to go when
// there is no room.
constexpr milliseconds kSlow(500);

[[noreturn]] void fail_listen(const SocketAddress& address, int error) {
  throw StartupError(fmt::format("cannot listen on {}: {}", to_string(address), std::strerror(error)));
}

bool wait_for_bytes(int fd, milliseconds time) {
  pollfd waiting{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, static_cast<int>(time.count()));
  } while (ready < 0 && errno == EINTR);
  return ready == 1 && (waiting.revents & POLLIN) != 0;
}

}  // namespace

bool Connection::wait_for_request(milliseconds time) {
  {
    std::scoped_lock lock(acceptor_->mutex_);
    if (acceptor_->stopping_) return false;
    idle_ = true;
    since_ = Clock::now();
  }
  bool came = wait_for_bytes(fd_, time);
  std::scoped_lock lock(acceptor_->mutex_);
  idle_ = false;
  return came && !acceptor_->stopping_;
}

bool Connection::wait_for_more(Clock::time_point begun, milliseconds time) {
  {
    std::scoped_lock lock(acceptor_->mutex_);
    reading_ = true;
    since_ = begun;
  }
  bool came = wait_for_bytes(fd_, time);
  std::scoped_lock lock(acceptor_->mutex_);
  reading_ = false;
  return came;
}

Acceptor::Acceptor(const SocketAddress& listen, std::size_t max_connections)
    : max_connections_(max_connections), address_(listen) {
  sockaddr_storage name;
  socklen_t length = to_sockaddr(listen, name);
  listen_fd_ = ::socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listen_fd_ < 0) fail_listen(listen, errno);
  // Only the address is reused: with SO_REUSEPORT a second service would start on a busy port and take half of its
  // calls.
  int on = 1;
  ::setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listen_fd_, reinterpret_cast<sockaddr*>(&name), length) != 0 || ::listen(listen_fd_, kBacklog) != 0) {
    int error = errno;
    ::close(listen_fd_);
    fail_listen(listen, error);
  }
  length = sizeof name;
  LG_CHECK(::getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&name), &length) == 0, "a bound socket has a name");
  address_ = from_sockaddr(name);
}

Acceptor::~Acceptor() {
  if (listen_fd_ >= 0) ::close(listen_fd_);
  LG_CHECK(connections_.empty(), "an acceptor that ran was not finished");
}

void Acceptor::run(int stop_fd, const Serve& serve) {
  pollfd waiting[] = {{stop_fd, POLLIN, 0}, {listen_fd_, POLLIN, 0}};
  while (true) {
    int ready = ::poll(waiting, 2, -1);
    LG_CHECK(ready >= 0 || errno == EINTR, "poll of the listening socket");
    if (ready < 0) continue;
    if (waiting[0].revents != 0) break;
    if (int rest_ms = make_room(); rest_ms > 0) {
      ::poll(waiting, 1, rest_ms);
    } else {
      accept_one(serve);
    }
  }
  ::close(std::exchange(listen_fd_, -1));
  std::scoped_lock lock(mutex_);
  stopping_ = true;
  for (auto& connection : connections_) {
    if (connection.idle_ && !connection.finished_) ::shutdown(connection.fd_, SHUT_RDWR);
  }
}

void Acceptor::finish(milliseconds grace) {
  {
    std::unique_lock lock(mutex_);
    finished_.wait_for(lock, grace, [this] { return std::ranges::all_of(connections_, &Connection::finished_); });
    for (auto& connection : connections_) {
      if (!connection.finished_) ::shutdown(connection.fd_, SHUT_RDWR);
    }
  }
  for (auto& connection : connections_) connection.thread_.join();
  connections_.clear();
}

// Whether there is room: 0, or how long to rest before asking again. At the bound, one connection goes for a new one.
int Acceptor::make_room() {
  reap_finished();
  std::scoped_lock lock(mutex_);
  if (connections_.size() < max_connections_) return 0;
  Connection* leaves = most_dispensable();
  if (leaves == nullptr) return kOverloadPauseMs;
  ::shutdown(leaves->fd_, SHUT_RDWR);
  return kEndingPauseMs;
}

// Under the lock. The connection that has been idle for longest: a kept one must never starve a new one. Where every
// connection is in use, the one whose request has been arriving for longest: else a client that sends a few hundred
// requests byte by byte would keep everybody out. Whoever waits for an answer stays, and whoever has just come.
Connection* Acceptor::most_dispensable() {
  Connection* idle = nullptr;
  Connection* slow = nullptr;
  auto latest = Connection::Clock::now() - kSlow;
  for (auto& connection : connections_) {
    if (connection.finished_ || connection.since_ > latest) continue;
    if (connection.idle_ && (idle == nullptr || connection.since_ < idle->since_)) idle = &connection;
    if (connection.reading_ && (slow == nullptr || connection.since_ < slow->since_)) slow = &connection;
  }
  return idle != nullptr ? idle : slow;
}

void Acceptor::reap_finished() {
  std::list<Connection> gone;
  {
    std::scoped_lock lock(mutex_);
    for (auto it = connections_.begin(); it != connections_.end();) {
      auto next = std::next(it);
      if (it->finished_) gone.splice(gone.end(), connections_, it);
      it = next;
    }
  }
  for (auto& connection : gone) connection.thread_.join();
}

void Acceptor::accept_one(const Serve& serve) {
  sockaddr_storage name;
  socklen_t length = sizeof name;
  int fd = ::accept4(listen_fd_, reinterpret_cast<sockaddr*>(&name), &length, SOCK_CLOEXEC);
  if (fd < 0) {
    // The connection is gone again, or descriptors are short: the latter stays readable, so rest instead of spinning.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) ::poll(nullptr, 0, kOverloadPauseMs);
    return;
  }
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  start(fd, from_sockaddr(name), serve);
}

void Acceptor::start(int fd, const SocketAddress& peer, const Serve& serve) {
  std::scoped_lock lock(mutex_);
  Connection& connection = connections_.emplace_back();
  connection.acceptor_ = this;
  connection.fd_ = fd;
  connection.peer_ = peer;
  connection.since_ = Connection::Clock::now();
  try {
    // A copy: run() may have returned, and its caller's function be gone, before a late thread calls it.
    connection.thread_ = std::thread([this, &connection, serve] {
      serve(connection);
      // Closed under the lock, so that nobody shuts a number that another socket has taken meanwhile.
      std::scoped_lock closing(mutex_);
      ::close(connection.fd_);
      connection.finished_ = true;
      finished_.notify_all();
    });
  } catch (const std::system_error&) {  // no thread to be had
    ::close(fd);
    connections_.pop_back();
  }
}

}  // namespace lotagate::services
