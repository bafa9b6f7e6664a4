#include "upstream/endpoint_pool.h"

#include <algorithm>
#include <cerrno>

namespace lotagate::upstream {
namespace {

// Descriptors, memory or local ports.
bool is_own_lack(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM || error == EADDRNOTAVAIL;
}

// Nothing has been received that nobody asked for. A read that exactly filled its room left that open.
bool is_quiet(Socket& socket) {
  if (!socket.maybe_readable()) return true;
  char unasked;
  return socket.try_receive({&unasked, 1}).status == IoStatus::would_block;
}

}  // namespace

UpstreamConnection::UpstreamConnection(EndpointPool& pool, Reactor& reactor, SocketHandle handle)
    : socket(reactor, handle), pool_(pool) {
  ++pool_.counters_.open;
}

UpstreamConnection::~UpstreamConnection() { --pool_.counters_.open; }

// Only idle connections listen for hangups: the endpoint closed this one. It is freed by the sweep, not here, because
// the socket is still in the middle of telling us.
void UpstreamConnection::on_hangup(bool) {
  pool_.reactor_.timers().arm(pool_.sweep_timer_.timer, pool_.reactor_.now());
}

EndpointPool::EndpointPool(Reactor& reactor, SocketAddress address, std::shared_ptr<EndpointHealth> health,
                           PoolCounters& counters)
    : reactor_(reactor),
      address_(address),
      health_(std::move(health)),
      counters_(counters),
      sweep_timer_(on_sweep, *this) {}

EndpointPool::~EndpointPool() { close_idle(); }

void EndpointPool::close_idle() {
  counters_.idle -= static_cast<std::int64_t>(idle_.size());
  idle_.clear();
}

std::unique_ptr<UpstreamConnection> EndpointPool::take_idle() {
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    --counters_.idle;
    connection->socket.set_hangup_listener(nullptr);
    // Readable while idle means end of stream, or bytes nobody asked for.
    bool alive = !connection->socket.maybe_readable() && !connection->socket.failed();
    if (alive && reactor_.now() - connection->idle_since < idle_timeout_) return connection;
  }
  return nullptr;
}

EndpointPool::Begun EndpointPool::begin_connect() {
  auto handle = reactor_.backend().connect(address_);
  if (!handle && is_own_lack(handle.error())) return std::unexpected(ConnectFailure::no_descriptors);
  if (!handle) {
    connect_failed();
    return std::unexpected(ConnectFailure::unreachable);
  }
  ++counters_.connects;
  auto connection = std::make_unique<UpstreamConnection>(*this, reactor_, *handle);
  connection->socket.expect_connect();
  return connection;
}

bool EndpointPool::finish_connect(UpstreamConnection& connection) {
  if (reactor_.backend().connect_error(connection.socket.handle()) != 0) {
    connect_failed();
    return false;
  }
  health_->recovered();
  return true;
}

void EndpointPool::connect_failed() {
  ++counters_.connect_failures;
  health_->suspect(reactor_.now() + kSuspectFor);
}

void EndpointPool::put_back(std::unique_ptr<UpstreamConnection> connection, milliseconds idle_timeout) {
  idle_timeout_ = idle_timeout;
  if (idle_.size() >= kMaxIdle || connection->socket.cancelled() || !is_quiet(connection->socket)) return;
  ++connection->exchanges;
  connection->idle_since = reactor_.now();
  connection->socket.set_hangup_listener(connection.get());
  idle_.push_back(std::move(connection));
  ++counters_.idle;
  if (sweep_timer_.timer.deadline() == kNever) {
    reactor_.timers().arm(sweep_timer_.timer, reactor_.now() + idle_timeout_);
  }
}

void EndpointPool::on_sweep(Timer& timer) { reinterpret_cast<SweepTimer&>(timer).pool.sweep(); }

void EndpointPool::sweep() {
  auto over = [&](const std::unique_ptr<UpstreamConnection>& connection) {
    return connection->socket.maybe_readable() || connection->socket.failed() ||
           reactor_.now() - connection->idle_since >= idle_timeout_;
  };
  auto removed = std::erase_if(idle_, over);
  counters_.idle -= static_cast<std::int64_t>(removed);
  if (!idle_.empty()) reactor_.timers().arm(sweep_timer_.timer, idle_.front()->idle_since + idle_timeout_);
}

}  // namespace lotagate::upstream
