#include "gateway/worker.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>

#include "base/hash.h"
#include "gateway/authentication_settings.h"
#include "gateway/connection.h"
#include "gateway/exchange.h"

namespace lotagate {
namespace {

// Without descriptors an accept would fail at once again and again: let some connections end first (S08).
constexpr milliseconds kAcceptPause{100};
constexpr std::size_t kEvictedAtOnce = 32;  // a flood costs one turn for so many of its connections
constexpr std::size_t kMostRefusing = 64;
constexpr std::size_t kKeptExchanges = 256;
constexpr seconds kCutGrace{1};

Error draining_error() { return {.code = ErrorCode::draining, .origin = Origin::internal, .reason = "drain limit"}; }

Error overloaded_error(ConnectionCaps::Verdict verdict) {
  std::string_view reason = "connections of the process";
  if (verdict == ConnectionCaps::Verdict::listener_full) reason = "connections of the listener";
  if (verdict == ConnectionCaps::Verdict::address_full) reason = "connections of the address";
  return {.code = ErrorCode::overloaded, .origin = Origin::internal, .reason = reason};
}

}  // namespace

Worker::Worker(std::uint32_t index, Shared& shared, std::unique_ptr<Backend> backend)
    : index_(index),
      shared_(shared),
      backend_(std::move(backend)),
      reactor_(*backend_),
      metrics_(shared.metrics.shard(index)),
      log_(shared.log.shard(index)),
      limit_counters_(std::make_unique<std::array<LimitCounters, limit::BucketTable::kMaxKinds>>()),
      heavy_keys_(process_hash_seed() + index),
      concurrency_counters_(std::make_unique<std::array<ConcurrencyCounters, kMaxConcurrencySlots>>()) {}

Worker::~Worker() = default;

std::expected<SocketAddress, int> Worker::listen(const SocketAddress& address, std::size_t listener_index) {
  auto handle = backend_->listen(address);
  if (!handle) return std::unexpected(handle.error());
  auto socket = std::make_unique<Socket>(reactor_, *handle);
  listeners_.push_back(std::make_unique<Listener>(Listener{std::move(socket), listener_index}));
  return backend_->local_address(*handle);
}

void Worker::start(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys,
                   std::function<void()> ended) {
  begin(std::move(snapshot), std::move(keys));
  thread_ = std::thread([this, ended = std::move(ended)] {
    pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index_)).c_str());
    while (!finished()) turn();
    end();
    ended();
  });
}

void Worker::join() { thread_.join(); }

void Worker::adopt(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys) {
  reactor_.post_remote([this, snapshot = std::move(snapshot), keys = std::move(keys)]() mutable {
    install(std::move(snapshot), std::move(keys));
  });
}

void Worker::adopt_keys(std::shared_ptr<const access::KeyRing> keys) {
  reactor_.post_remote([this, keys = std::move(keys)]() mutable { authenticator_->replace_keys(std::move(keys)); });
}

void Worker::drain(nanoseconds limit) {
  reactor_.post_remote([this, limit] { begin_drain(limit); });
}

void Worker::begin(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys) {
  install(std::move(snapshot), std::move(keys));
  for (auto& listener : listeners_) {
    ++open_accept_loops_;
    spawn(*this, accept_loop(*listener));
  }
}

void Worker::turn() {
  reactor_.turn();
  publish_gauges();
  if (reactor_.now() >= cut_at_) cut_connections();
}

void Worker::end() {
  for (auto& [address, pool] : pools_) pool->close_idle();
  publish_gauges();
  listeners_.clear();
}

bool Worker::finished() const {
  return draining_ && connections_.empty() && open_accept_loops_ == 0 && tasks_.empty() && notices_ == 0;
}

void Worker::begin_drain(nanoseconds limit) {
  draining_ = true;
  cut_after(limit);
  for (auto& listener : listeners_) {
    if (listener->socket) listener->socket->cancel(draining_error());
  }
  for (Connection* connection : connections_) {
    if (connection->idle()) connection->cut(draining_error());
  }
}

void Worker::cut_after(nanoseconds delay) {
  cut_at_ = reactor_.now() + delay;
  reactor_.timers().arm(cut_timer_, cut_at_);
}

// The drain limit has passed. First what waits, for upstreams or for look-ups, ends with 503, and the look-ups with it;
// a moment later the connections themselves.
void Worker::cut_connections() {
  for (Connection* connection : connections_) {
    connection->cut(draining_error());
    if (answers_cut_) connection->socket().cancel(draining_error());
  }
  for (BackgroundTask* task : tasks_) task->cut(draining_error());
  answers_cut_ = true;
  cut_after(kCutGrace);
}

void Worker::install(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys) {
  auto view = std::make_unique<WorkerView>();
  bool same = view_ && config::same_authentication(view_->snapshot->config, snapshot->config);
  if (!same) authenticator_ = std::make_unique<access::Authenticator>(authentication_settings(snapshot->config));
  if (keys) authenticator_->replace_keys(std::move(keys));

  auto service_view = [this](const config::CompiledService& service) {
    WorkerView::Service out;
    for (const auto& endpoint : service.endpoints) out.endpoints.push_back(&pool_for(endpoint));
    return out;
  };
  for (const auto& service : snapshot->services) view->services.push_back(service_view(service));
  view->user_management = service_view(snapshot->user_management);
  if (snapshot->config.user_management) {
    view->service_authorization = "Bearer " + snapshot->config.user_management->token;
  }
  view->snapshot = std::move(snapshot);
  if (view_ && view_->exchanges > 0) retired_.push_back(std::move(view_));
  view_ = std::move(view);
}

void Worker::retire(WorkerView& view) {
  if (&view == view_.get()) return;
  std::erase_if(retired_, [&](const auto& retired) { return retired.get() == &view; });
}

upstream::EndpointPool& Worker::pool_for(const config::ServiceEndpoint& endpoint) {
  auto& pool = pools_[to_string(endpoint.address)];
  if (!pool) {
    pool = std::make_unique<upstream::EndpointPool>(reactor_, endpoint.address, endpoint.health, pool_counters_);
  }
  return *pool;
}

std::size_t Worker::pick_index(WorkerView::Service& service, const upstream::EndpointPool* tried) {
  std::size_t count = service.endpoints.size();
  if (count <= 1) return 0;
  std::size_t first = service.next;
  service.next = (service.next + 1) % count;
  std::size_t fallback = first;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t index = (first + i) % count;
    if (service.endpoints[index]->suspect()) continue;
    if (service.endpoints[index] != tried) return index;
    fallback = index;
  }
  // All others are suspect. So is `tried` if its connect failed just now: then an older suspicion is the better chance.
  if (service.endpoints[fallback] == tried && tried->suspect()) return (fallback + 1) % count;
  return fallback;
}

upstream::EndpointPool* Worker::pick(WorkerView::Service& service) {
  std::size_t index = pick_index(service);
  return index < service.endpoints.size() ? service.endpoints[index] : nullptr;
}

bool Worker::take_retry() {
  constexpr std::uint64_t kAlwaysAllowed = 10;
  if (retries_ * 5 > requests_ + 5 * kAlwaysAllowed) return false;
  ++retries_;
  return true;
}

std::unique_ptr<Exchange> Worker::take_exchange() {
  if (free_exchanges_.empty()) return std::make_unique<Exchange>(*this);
  auto exchange = std::move(free_exchanges_.back());
  free_exchanges_.pop_back();
  return exchange;
}

void Worker::give_back(std::unique_ptr<Exchange> exchange) {
  if (free_exchanges_.size() < kKeptExchanges) free_exchanges_.push_back(std::move(exchange));
}

Task<void> Worker::accept_loop(Listener& listener) {
  while (true) {
    auto wait = co_await listener.socket->readable(kNever);
    if (wait != Wait::ready) break;
    auto taken = backend_->accept(listener.socket->handle());
    if (taken) {
      auto verdict = admit(*taken, listener);
      if (verdict == ConnectionCaps::Verdict::process_full && evict_idle()) {
        co_await NextTurn(reactor_);
        verdict = admit(*taken, listener);
      }
      open(*taken, listener, verdict);
      continue;
    }
    if (taken.error() == AcceptStatus::would_block) {
      listener.socket->nothing_to_read();
    } else if (taken.error() == AcceptStatus::no_descriptors) {
      metrics_.gauges.downstream_refused.add();
      warn_about_descriptors();
      evict_idle();
      co_await Sleep(reactor_, kAcceptPause);
    } else if (taken.error() == AcceptStatus::failed) {
      spdlog::error("a listener failed");
      break;
    }
  }
  listener.socket.reset();  // new connections go to other workers, or are refused
  --open_accept_loops_;
}

// Peers that speak for many clients have no cap of their own.
bool Worker::is_exempt(const IpAddress& address, const Listener& listener) const {
  const auto& trusted = view_->snapshot->config.listeners[listener.index].trusted_proxies;
  return std::ranges::any_of(trusted, [&](const Network& network) { return network.contains(address); });
}

ConnectionCaps::Verdict Worker::admit(const Accepted& accepted, const Listener& listener) {
  const config::Config& config = view_->snapshot->config;
  ConnectionCaps::Limits limits{.process = config.limits.connections,
                                .listener = config.listeners[listener.index].connections,
                                .address = config.limits.connections_per_address};
  if (is_exempt(accepted.peer.ip, listener)) limits.address.reset();
  return shared_.connections.enter(accepted.peer.ip, listener.index, limits);
}

// Serves the connection, or tells it that there is no room; only a few at a time are told.
void Worker::open(const Accepted& accepted, const Listener& listener, ConnectionCaps::Verdict verdict) {
  metrics_.gauges.downstream_accepted.add();
  bool admitted = verdict == ConnectionCaps::Verdict::admitted;
  if (!admitted) {
    metrics_.gauges.downstream_refused.add();
    std::size_t most = std::min<std::size_t>(kMostRefusing, shared_.connections.capacity() / 16 + 1);
    if (refusing_ >= most || draining_) {
      backend_->close(accepted.handle, true);
      return;
    }
    ++refusing_;
  }
  metrics_.gauges.downstream_open.add();
  auto connection = std::make_unique<Connection>(*this, accepted, listener.index);
  connection->counted = admitted;
  connection->counted_address = admitted && !is_exempt(accepted.peer.ip, listener);
  if (!admitted) connection->refusal = overloaded_error(verdict);
  connection->index = connections_.size();
  connections_.push_back(connection.get());
  spawn(*this, Connection::serve(*this, std::move(connection)));
}

void Worker::forget(Connection& connection) {
  connections_[connection.index] = connections_.back();
  connections_[connection.index]->index = connection.index;
  connections_.pop_back();
  metrics_.gauges.downstream_open.sub();
  if (connection.counted) {
    shared_.connections.leave(connection.peer().ip, connection.listener_index(), connection.counted_address);
  } else {
    --refusing_;
  }
}

void Worker::enter(BackgroundTask& task) {
  task.index = tasks_.size();
  tasks_.push_back(&task);
}

void Worker::leave(BackgroundTask& task) {
  tasks_[task.index] = tasks_.back();
  tasks_[task.index]->index = task.index;
  tasks_.pop_back();
}

// Cuts those that have waited longest for a request; they are gone in the next turn. False if there are none.
bool Worker::evict_idle() {
  bool any = false;
  for (std::size_t i = 0; i < kEvictedAtOnce; ++i) {
    auto* oldest = static_cast<Connection*>(idle_connections_.oldest());
    if (oldest == nullptr) break;
    idle_connections_.remove(*oldest);
    oldest->cut(overloaded_error(ConnectionCaps::Verdict::process_full));
    any = true;
  }
  return any;
}

upstream::EndpointPool::Begun Worker::begin_connect(upstream::EndpointPool& pool) {
  auto begun = pool.begin_connect();
  if (begun || begun.error() != upstream::ConnectFailure::no_descriptors) return begun;
  warn_about_descriptors();
  for (auto& [address, other] : pools_) other->close_idle();
  return pool.begin_connect();
}

void Worker::warn_about_descriptors() {
  if (!descriptor_warning_.due(reactor_.now())) return;
  spdlog::warn("no descriptors left: accepting pauses; raise the limit (ulimit -n) or lower limits.connections");
}

void Worker::warn_about_lookup(std::string_view reason) {
  if (!lookup_warning_.due(reactor_.now())) return;
  auto others = lookup_warning_.take_left_out();
  if (others == 0) {
    spdlog::warn("user management: a look-up failed: {}", reason);
  } else {
    spdlog::warn("user management: a look-up failed: {}; so did {} before it, for this or other reasons", reason,
                 others);
  }
}

// Copies what is counted elsewhere to where a scrape can read it: a handful of stores a turn.
void Worker::publish_gauges() {
  telemetry::WorkerGauges& gauges = metrics_.gauges;
  gauges.upstream_open.set(pool_counters_.open);
  gauges.upstream_idle.set(pool_counters_.idle);
  gauges.upstream_connects.set(pool_counters_.connects);
  gauges.upstream_connect_failures.set(pool_counters_.connect_failures);
  gauges.loop_turns.set(reactor_.turns());
  const access::TokenCacheCounters& tokens = authenticator_->counters();
  gauges.token_cache_hits.set(tokens.hits.load(std::memory_order_relaxed));
  gauges.token_cache_misses.set(tokens.misses.load(std::memory_order_relaxed));
  gauges.token_cache_bytes.set(static_cast<std::int64_t>(tokens.bytes.load(std::memory_order_relaxed)));
}

}  // namespace lotagate
