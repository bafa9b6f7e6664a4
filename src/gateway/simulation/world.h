// A whole gateway on a simulated network: workers, services, clients, clock, all on one thread; and what must be true
// of it in the end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "access/key_ring.h"
#include "config/config.h"
#include "config/snapshot.h"
#include "gateway/bucket_kinds.h"
#include "gateway/concurrency_limits.h"
#include "gateway/simulation/client.h"
#include "gateway/simulation/ledger.h"
#include "gateway/simulation/server.h"
#include "gateway/worker.h"
#include "jose/test_signer.h"
#include "limit/bucket_table.h"
#include "runtime/simulated_network.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace lotagate::simulation {

// A configuration with a route for everything the scripts use (world_config.cc):
//   /open, /pass   public, errors transformed and passed
//   /lone          public, on a service with one endpoint
//   /dark          public, on a service that never answers a connect
//   /small         public, bodies up to 1 KiB
//   /limited       public, five requests at once and one a second per address
//   /token         any valid token
//   /ws            public, may become a WebSocket
//   /crowded       public, two at once for all and for each address, three and two waiting
//   /things        things:read for GET, things:write otherwise; ten at once and ten a second per user
// Deadlines are short: seconds of virtual time cost nothing, but they add up.
config::Config simulated_config();

inline constexpr std::size_t kEchoServices = 4;  // three behind /open and most others, one behind /lone

struct WorldOptions {
  SimulatedNetworkOptions network = {};
  std::size_t workers = 2;
  std::function<void(config::Config&)> configure = {};  // changes what simulated_config() says
  // For tests that count or watch: around each worker's backend, and around each of its turns.
  std::function<std::unique_ptr<Backend>(std::unique_ptr<Backend>)> wrap = {};
  std::function<void(Worker&)> turn = [](Worker& worker) { worker.turn(); };
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  SimulatedNetwork& network() { return network_; }
  Ledger& ledger() { return ledger_; }
  EchoService& service(std::size_t index) { return *services_[index]; }
  UserService& users() { return *users_; }
  access::RoleDirectory& directory() { return *snapshot_->directory; }
  access::RoleDirectory& key_directory() { return *snapshot_->key_directory; }
  std::weak_ptr<const config::Snapshot> snapshot() const { return snapshot_; }
  access::CircuitBreaker& breaker() { return *snapshot_->breaker; }
  const config::UserManagement& user_management() const { return *snapshot_->config.user_management; }
  // A bearer token of `subject`, signed with key 0 or 1.
  std::string token(const std::string& subject, std::size_t key = 0, seconds valid_for = seconds(3600));

  // Runs within the next turn of the peers' loop; scripts of peers begin there.
  void in_peers_turn(std::function<void()> action);
  // The same after `delay`, unless the world ends before.
  void later(nanoseconds delay, std::function<void()> action);
  Client& start_client(ClientPlan plan);
  FramePool& frames() { return peers_.frames(); }

  void reload(const std::function<void(config::Config&)>& change);
  // Which of both keys are valid from now on.
  void use_keys(bool first, bool second);
  void drain(nanoseconds limit);

  // Until `done`, for at most `limit` of virtual time; false if that was not enough.
  bool run_until(const std::function<bool()>& done, nanoseconds limit);
  bool run_clients(nanoseconds limit);
  bool clients_ended() const;
  // Drains with `limit`, waits for everybody, and checks all that must hold. Once.
  void finish(nanoseconds limit = seconds(5));
  // The most requests that were ever under way at once under a concurrency limit, over all workers.
  std::int64_t most_in_flight(const std::string& limit) const;
  // Requests that wait for a place under any concurrency limit.
  std::int64_t waiting_for_places() const;
  // Of finish(): empty when all is well.
  const std::vector<std::string>& violations() const { return ledger_.violations(); }

 private:
  std::shared_ptr<const config::Snapshot> compile(config::Config config, const config::Snapshot* previous);
  std::shared_ptr<const access::KeyRing> ring(bool first, bool second);
  void expect_nothing_left(Worker& worker);
  void check_places();
  Task<void> run_later(nanoseconds delay, std::function<void()> action);
  void check_drain();
  bool workers_finished() const;
  bool peers_ended() const;
  void stop_peers();
  std::string read_log_file();
  std::uint64_t recorded() const;

  std::string log_file_;
  telemetry::Metrics metrics_;
  std::unique_ptr<telemetry::AccessLog> log_;
  limit::BucketTable buckets_;
  Shared shared_;
  Ledger ledger_;
  SimulatedNetwork network_;
  SimulatedLoops loops_;
  SimulatedBackend peers_backend_;
  Reactor peers_;
  std::array<jose::TestSigner, 2> signers_;
  std::uint64_t key_version_ = 1;
  MonotonicTime started_at_ = network_.now();
  BucketKinds bucket_kinds_;
  ConcurrencyLimits concurrency_limits_;
  std::map<std::string, std::int64_t> most_in_flight_;  // by limit
  std::map<SocketAddress, std::shared_ptr<upstream::EndpointHealth>> health_;
  std::shared_ptr<const config::Snapshot> snapshot_;
  std::shared_ptr<const access::KeyRing> keys_;
  MonotonicTime drained_by_ = kNever;  // once drain() was called: then every worker has ended
  std::vector<std::unique_ptr<EchoService>> services_;
  std::unique_ptr<UserService> users_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t planned_ = 0;  // actions that wait for their moment
  bool stopping_ = false;
  std::vector<SimulatedBackend*> backends_;  // of the workers
};

}  // namespace lotagate::simulation
