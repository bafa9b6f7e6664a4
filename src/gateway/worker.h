// One worker: a thread with its own loop, listeners, upstream pools, token cache and counters. Everything that belongs
// to a request happens on one worker from beginning to end.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "access/authenticator.h"
#include "config/snapshot.h"
#include "gateway/idle_connections.h"
#include "gateway/ids.h"
#include "gateway/shared.h"
#include "gateway/sparse_warning.h"
#include "limit/heavy_keys.h"
#include "runtime/event.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "upstream/endpoint_pool.h"

namespace lotagate {

class Connection;
class Exchange;

// A snapshot as one worker sees it: with the worker's own pools. Exchanges hold a plain count on it, because they all
// run on this worker; it goes when it has been replaced and the last exchange under it has ended.
struct WorkerView {
  std::shared_ptr<const config::Snapshot> snapshot;
  struct Service {
    std::vector<upstream::EndpointPool*> endpoints;
    std::size_t next = 0;  // round robin
  };
  std::vector<Service> services;
  Service user_management;
  std::string service_authorization;  // "Bearer ..." of the gateway itself towards User Management
  std::uint32_t exchanges = 0;
};

// What a worker runs beside its connections and has to end before it does: look-ups.
class BackgroundTask {
 public:
  // Called on the worker's thread; the task ends soon after.
  virtual void cut(const Error& error) = 0;
  std::size_t index = 0;  // in the worker's list

 protected:
  ~BackgroundTask() = default;
};

class Worker {
 public:
  // `backend` is the worker's own: epoll in the product, a simulated network in tests.
  Worker(std::uint32_t index, Shared& shared, std::unique_ptr<Backend> backend);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before start(): binds one listener; the address it got, or the errno value.
  std::expected<SocketAddress, int> listen(const SocketAddress& address, std::size_t listener_index);
  // Runs begin(), turn() until finished(), and end() on a thread of its own. `ended` is called there as the last act.
  void start(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys,
             std::function<void()> ended);
  void join();

  // The parts of a worker's life, for whoever has the loop: its thread, or a simulation.
  void begin(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys);
  void turn();
  bool finished() const;
  void end();

  // Any thread.
  void adopt(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys);
  void adopt_keys(std::shared_ptr<const access::KeyRing> keys);
  // Stops accepting, lets what runs end until `limit` has passed, then cuts it; the thread ends.
  void drain(nanoseconds limit);

  // For connections and exchanges, on the worker's thread.
  Reactor& reactor() { return reactor_; }
  FramePool& frames() { return reactor_.frames(); }
  Shared& shared() { return shared_; }
  WorkerView& view() { return *view_; }
  void retire(WorkerView& view);
  access::Authenticator& authenticator() { return *authenticator_; }
  telemetry::MetricsShard& metrics() { return metrics_; }
  telemetry::AccessLog::Shard& log() { return log_; }
  IdSource& ids() { return ids_; }
  bool draining() const { return draining_; }
  std::unique_ptr<Exchange> take_exchange();
  void give_back(std::unique_ptr<Exchange> exchange);
  void forget(Connection& connection);
  // By BucketPolicy::kind.
  LimitCounters& limit_counters(std::size_t kind) { return (*limit_counters_)[kind]; }
  limit::HeavyKeys& heavy_keys() { return heavy_keys_; }
  // By limit::ConcurrencyLimit::number().
  ConcurrencyCounters& concurrency_counters(std::uint32_t number) { return (*concurrency_counters_)[number]; }
  // The endpoint for the next attempt: round robin, suspect ones last; `tried`, where the last attempt failed, only if
  // all others are suspect. endpoints.size() if there are none.
  std::size_t pick_index(WorkerView::Service& service, const upstream::EndpointPool* tried = nullptr);
  upstream::EndpointPool* pick(WorkerView::Service& service);
  // A retry is allowed while retries stay below a fifth of the requests (P09).
  bool take_retry();
  void count_request() { ++requests_; }
  IdleConnections& idle_connections() { return idle_connections_; }
  // A new connection of `pool`; if descriptors are lacking, idle upstream connections make room.
  upstream::EndpointPool::Begun begin_connect(upstream::EndpointPool& pool);
  // Diagnostics about the User Management Service, seldom enough that its failure does not flood them.
  void warn_about_lookup(std::string_view reason);
  void enter(BackgroundTask& task);
  void leave(BackgroundTask& task);
  // Notices that will come through the mailbox: the worker stays until they have.
  void expect_notice() { ++notices_; }
  void notice_came() { --notices_; }

 private:
  struct Listener {
    std::unique_ptr<Socket> socket;
    std::size_t index;
  };
  void begin_drain(nanoseconds limit);
  void cut_after(nanoseconds delay);
  void cut_connections();
  void install(std::shared_ptr<const config::Snapshot> snapshot, std::shared_ptr<const access::KeyRing> keys);
  upstream::EndpointPool& pool_for(const config::ServiceEndpoint& endpoint);
  Task<void> accept_loop(Listener& listener);
  ConnectionCaps::Verdict admit(const Accepted& accepted, const Listener& listener);
  void open(const Accepted& accepted, const Listener& listener, ConnectionCaps::Verdict verdict);
  bool is_exempt(const IpAddress& address, const Listener& listener) const;
  bool evict_idle();
  void warn_about_descriptors();
  void publish_gauges();

  std::uint32_t index_;
  Shared& shared_;
  std::unique_ptr<Backend> backend_;
  Reactor reactor_;
  telemetry::MetricsShard& metrics_;
  telemetry::AccessLog::Shard& log_;
  IdSource ids_;
  upstream::PoolCounters pool_counters_;
  std::unordered_map<std::string, std::unique_ptr<upstream::EndpointPool>> pools_;  // by address
  std::unique_ptr<WorkerView> view_;
  std::vector<std::unique_ptr<WorkerView>> retired_;  // replaced, with exchanges still running
  std::unique_ptr<access::Authenticator> authenticator_;
  std::vector<std::unique_ptr<Exchange>> free_exchanges_;
  std::vector<Connection*> connections_;
  IdleConnections idle_connections_;
  std::size_t refusing_ = 0;  // connections that are being told that there is no room
  SparseWarning descriptor_warning_;
  SparseWarning lookup_warning_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::size_t open_accept_loops_ = 0;
  std::unique_ptr<std::array<LimitCounters, limit::BucketTable::kMaxKinds>> limit_counters_;
  limit::HeavyKeys heavy_keys_;
  std::unique_ptr<std::array<ConcurrencyCounters, kMaxConcurrencySlots>> concurrency_counters_;
  std::uint64_t requests_ = 0;
  std::uint64_t retries_ = 0;
  std::vector<BackgroundTask*> tasks_;
  std::size_t notices_ = 0;
  bool draining_ = false;
  bool answers_cut_ = false;
  MonotonicTime cut_at_ = kNever;
  Timer cut_timer_{[](Timer&) {}};  // only wakes the loop at cut_at_
  std::thread thread_;
};

}  // namespace lotagate
