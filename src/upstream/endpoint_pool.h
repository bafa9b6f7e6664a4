// Connections to one endpoint, kept by one worker. Last in, first out, so that a busy few stay warm and the rest age
// out. An idle connection that the endpoint closes, or sends anything on, is never handed out again.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "upstream/endpoint_health.h"

namespace lotagate::upstream {

struct PoolCounters {
  std::int64_t open = 0;  // idle ones included
  std::int64_t idle = 0;
  std::uint64_t connects = 0;
  std::uint64_t connect_failures = 0;
};

class EndpointPool;

// Why a connect was not even begun.
enum class ConnectFailure : std::uint8_t {
  unreachable,     // the system knows at once that nobody is there
  no_descriptors,  // our own lack: says nothing about the endpoint
};

// One connection to an endpoint. Owned by whoever uses it, or by the pool while idle.
class UpstreamConnection final : public HangupListener {
 public:
  UpstreamConnection(EndpointPool& pool, Reactor& reactor, SocketHandle handle);
  ~UpstreamConnection();

  Socket socket;
  std::uint32_t exchanges = 0;  // completed on this connection
  MonotonicTime idle_since{};

 private:
  friend class EndpointPool;
  void on_hangup(bool reset) override;
  EndpointPool& pool_;
};

class EndpointPool {
 public:
  // `counters` is shared by all pools of the worker and outlives them; `health` is shared with the other workers.
  EndpointPool(Reactor& reactor, SocketAddress address, std::shared_ptr<EndpointHealth> health, PoolCounters& counters);
  ~EndpointPool();
  EndpointPool(const EndpointPool&) = delete;
  EndpointPool& operator=(const EndpointPool&) = delete;

  // A living idle connection, or null.
  std::unique_ptr<UpstreamConnection> take_idle();
  // Starts a new connection: writable tells when it is decided, finish_connect() how.
  using Begun = std::expected<std::unique_ptr<UpstreamConnection>, ConnectFailure>;
  Begun begin_connect();
  bool finish_connect(UpstreamConnection& connection);
  // Only for a connection whose exchange ended without anything odd: whole request written, whole answer read.
  void put_back(std::unique_ptr<UpstreamConnection> connection, milliseconds idle_timeout);
  // The last connect failed a moment ago: better try another endpoint first.
  bool suspect() const { return health_->is_suspect(reactor_.now()); }
  void close_idle();

  const SocketAddress& address() const { return address_; }

 private:
  friend class UpstreamConnection;
  // A connect failure keeps an endpoint out of first choice for this long.
  static constexpr seconds kSuspectFor{1};
  // Enough for the concurrency of one worker; more are closed when they come back.
  static constexpr std::size_t kMaxIdle = 1024;

  static void on_sweep(Timer& timer);
  void sweep();
  void connect_failed();

  struct SweepTimer {
    SweepTimer(Timer::Fire fire, EndpointPool& p) : timer(fire), pool(p) {}
    Timer timer;  // first member: the timer's address is this struct's
    EndpointPool& pool;
  };

  Reactor& reactor_;
  SocketAddress address_;
  std::shared_ptr<EndpointHealth> health_;
  PoolCounters& counters_;
  std::vector<std::unique_ptr<UpstreamConnection>> idle_;  // oldest first
  milliseconds idle_timeout_{50'000};
  SweepTimer sweep_timer_;
};

}  // namespace lotagate::upstream
