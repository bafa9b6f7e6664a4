#include "gateway/simulation/world.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "base/host_port.h"

namespace lotagate::simulation {
namespace {

const SocketAddress kGateway = *parse_socket_address("10.1.0.1:80");
// The last of all is cut this long after the drain limit: a grace, a linger, and rounding.
constexpr seconds kAfterDrain{6};
constexpr std::uint32_t kCapacity = 1000;  // of connections

std::string temporary_file() {
  std::string name = "/tmp/lotagate-simulation-XXXXXX";
  int fd = ::mkstemp(name.data());
  LG_CHECK(fd >= 0, "no temporary file");
  ::close(fd);
  return name;
}

std::unique_ptr<telemetry::AccessLog> open_log(const std::string& file, std::size_t workers) {
  auto log = telemetry::AccessLog::open({.file = file, .workers = static_cast<std::uint32_t>(workers)});
  LG_CHECK(log.has_value(), "no access log");
  return std::move(*log);
}

}  // namespace

World::World(const WorldOptions& options)
    : log_file_(temporary_file()),
      metrics_(static_cast<std::uint32_t>(options.workers)),
      log_(open_log(log_file_, options.workers)),
      buckets_(std::size_t{64} * 1024),
      shared_{.metrics = metrics_,
              .log = *log_,
              .buckets = buckets_,
              .shared_buckets = nullptr,
              .instance = "lotagate-simulated",
              .request_key_refetch = [](const access::RefetchRequest&) {},
              .connections = kCapacity},
      network_(options.network),
      loops_(network_, options.network.seed + 1),
      peers_backend_(network_, false),
      peers_(peers_backend_),
      signers_{jose::TestSigner(jose::Algorithm::EdDSA, "key-0"), jose::TestSigner(jose::Algorithm::EdDSA, "key-1")} {
  spdlog::set_level(spdlog::level::err);  // what is warned of happens here all the time
  network_.on_send([this](const SimulatedSend& send) { ledger_.observe(send); });
  loops_.add(peers_backend_, [this] { peers_.turn(); });
  config::Config config = simulated_config();
  if (options.configure) options.configure(config);
  const config::Url& users = config.user_management->url;
  SocketAddress users_address = *parse_socket_address(host_and_port(users.host, users.port));
  snapshot_ = compile(std::move(config), nullptr);
  keys_ = ring(true, false);
  for (std::size_t i = 0; i < kEchoServices; ++i) {
    SocketAddress address = *parse_socket_address(fmt::format("10.2.0.{}:80", i + 1));
    services_.push_back(std::make_unique<EchoService>(peers_, address, ledger_));
  }
  users_ = std::make_unique<UserService>(peers_, users_address, ledger_, options.network.seed + 2);
  in_peers_turn([this] {
    for (auto& service : services_) service->start();
    users_->start();
  });
  network_.set_reachability(*parse_socket_address("10.2.0.99:80"), Reachability::black_hole);
  for (std::size_t i = 0; i < options.workers; ++i) {
    auto backend = std::make_unique<SimulatedBackend>(network_, true);
    backends_.push_back(backend.get());
    std::unique_ptr<Backend> outer = std::move(backend);
    if (options.wrap) outer = options.wrap(std::move(outer));
    auto& worker =
        workers_.emplace_back(std::make_unique<Worker>(static_cast<std::uint32_t>(i), shared_, std::move(outer)));
    LG_CHECK(worker->listen(kGateway, 0).has_value(), "a worker cannot listen");
    worker->begin(snapshot_, keys_);
    loops_.add(*backends_.back(), [turn = options.turn, w = worker.get()] { turn(*w); });
  }
}

World::~World() {
  LG_CHECK(workers_.empty(), "a world ends with finish()");
  std::remove(log_file_.c_str());
}

std::string World::token(const std::string& subject, std::size_t key, seconds valid_for) {
  auto expires = std::chrono::floor<seconds>(network_.wall_now().time_since_epoch()) + valid_for;
  return signers_[key].sign(fmt::format(R"({{"iss":"https://issuer.example","sub":"{}","aud":"simulation","exp":{}}})",
                                        subject, expires.count()));
}

void World::in_peers_turn(std::function<void()> action) { peers_.post_remote(std::move(action)); }

void World::later(nanoseconds delay, std::function<void()> action) {
  in_peers_turn([this, delay, action = std::move(action)] { spawn(*this, run_later(delay, action)); });
}

Task<void> World::run_later(nanoseconds delay, std::function<void()> action) {
  ++planned_;
  co_await Sleep(peers_, delay);
  if (!stopping_) action();
  --planned_;
}

Client& World::start_client(ClientPlan plan) {
  auto& client =
      clients_.emplace_back(std::make_unique<Client>(peers_, peers_backend_, kGateway, ledger_, std::move(plan)));
  in_peers_turn([c = client.get()] { c->start(); });
  return *client;
}

std::shared_ptr<const config::Snapshot> World::compile(config::Config config, const config::Snapshot* previous) {
  config::CompileHooks hooks{
      .resolve =
          [](const config::Url& url) {
            return std::vector<SocketAddress>{*parse_socket_address(host_and_port(url.host, url.port))};
          },
      .metrics_slot = [this](const std::string& route,
                             const std::string& service) { return metrics_.route_slot(route, service); },
      .bucket_kind = [this](const std::string& policy,
                            const std::string& value) { return bucket_kinds_.number(policy, value); },
      .shared_policy = {},
      .concurrency_limit = [this](const std::string& name) { return &concurrency_limits_.named(name); },
      .health =
          [this](const SocketAddress& address) {
            auto& health = health_[address];
            if (!health) health = std::make_shared<upstream::EndpointHealth>();
            return health;
          }};
  auto compiled = config::compile(std::move(config), hooks, previous);
  ConcurrencyLimits::adopt(*compiled, shared_.places, network_.now());
  return compiled;
}

std::shared_ptr<const access::KeyRing> World::ring(bool first, bool second) {
  std::vector<const jose::TestSigner*> valid;
  if (first) valid.push_back(&signers_[0]);
  if (second) valid.push_back(&signers_[1]);
  auto keys = access::parse_jwks(jose::jwks_of(valid));
  LG_CHECK(keys.has_value(), "no key set");
  auto shared = std::make_shared<const access::KeySet>(std::move(*keys));
  return std::make_shared<const access::KeyRing>(access::KeyRing{{{std::move(shared), key_version_}}});
}

void World::reload(const std::function<void(config::Config&)>& change) {
  config::Config config = snapshot_->config;
  change(config);
  snapshot_ = compile(std::move(config), snapshot_.get());
  for (auto& worker : workers_) worker->adopt(snapshot_, keys_);
}

void World::use_keys(bool first, bool second) {
  ++key_version_;
  keys_ = ring(first, second);
  for (auto& worker : workers_) worker->adopt_keys(keys_);
}

void World::drain(nanoseconds limit) {
  drained_by_ = std::min(drained_by_, network_.now() + limit + kAfterDrain);
  for (auto& worker : workers_) worker->drain(limit);
}

bool World::run_until(const std::function<bool()>& done, nanoseconds limit) {
  MonotonicTime end = network_.now() + limit;
  while (!done()) {
    if (network_.now() > end || !loops_.step()) return done();
    check_drain();
    check_places();
  }
  return true;
}

void World::check_drain() {
  if (network_.now() <= drained_by_ || workers_finished()) return;
  ledger_.violation("the drain takes too long");
  drained_by_ = kNever;
}

// Of a limit that all share, every request is on one service here. What callers have together is not bounded.
void World::check_places() {
  for (const auto& seen : concurrency_metrics(*snapshot_, workers_)) {
    std::int64_t& most = most_in_flight_[seen.limit];
    if (seen.in_flight <= most) continue;
    most = seen.in_flight;
    const auto& all = snapshot_->concurrency;
    auto rule = std::ranges::find(all, seen.limit, [](const auto& compiled) { return compiled.rule.name; });
    if (!rule->is_shared || most <= rule->rule.requests) continue;
    ledger_.violation(fmt::format("{} requests under way under the limit {}", most, seen.limit));
  }
}

std::int64_t World::most_in_flight(const std::string& limit) const {
  auto found = most_in_flight_.find(limit);
  return found == most_in_flight_.end() ? 0 : found->second;
}

std::int64_t World::waiting_for_places() const {
  std::int64_t waiting = 0;
  for (const auto& seen : concurrency_metrics(*snapshot_, workers_)) waiting += seen.waiting;
  return waiting;
}

bool World::clients_ended() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->ended(); });
}

bool World::run_clients(nanoseconds limit) {
  return run_until([this] { return clients_ended(); }, limit);
}

bool World::workers_finished() const {
  return std::ranges::all_of(workers_, [](const auto& worker) { return worker->finished(); });
}

bool World::peers_ended() const {
  return clients_ended() && planned_ == 0 && users_->ended() && std::ranges::all_of(services_, &EchoService::ended);
}

void World::finish(nanoseconds limit) {
  drain(limit);
  MonotonicTime end = network_.now() + limit + kAfterDrain;
  std::vector<bool> ended(workers_.size(), false);
  while (std::ranges::count(ended, false) > 0) {
    if (network_.now() > end || !loops_.step()) {
      ledger_.violation("the drain does not end");
      break;
    }
    check_places();
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      if (ended[i] || !workers_[i]->finished()) continue;
      workers_[i]->end();
      expect_nothing_left(*workers_[i]);
      loops_.remove(*backends_[i]);
      ended[i] = true;
    }
  }
  // A worker that did not end cannot be destroyed in peace: say what was found, at least.
  for (const std::string& violation : violations()) std::fprintf(stderr, "%s\n", violation.c_str());
  if (std::ranges::count(ended, false) > 0) std::abort();

  if (network_.open_descriptors() != 0) {
    ledger_.violation(fmt::format("{} descriptors are left", network_.open_descriptors()));
  }
  if (shared_.connections.open() != 0)
    ledger_.violation(fmt::format("{} connections are still counted", shared_.connections.open()));
  if (shared_.places.keys() != 0) ledger_.violation("places are still held or awaited");
  for (const auto& seen : concurrency_metrics(*snapshot_, workers_)) {
    if (seen.in_flight != 0 || seen.waiting != 0) ledger_.violation("somebody still counts as under way or waiting");
  }
  MonotonicTime ended_at = network_.now();
  workers_.clear();
  if (!run_clients(seconds(300))) ledger_.violation("a client never ended");
  stop_peers();
  if (peers_.frames().outstanding() != 0) ledger_.violation("a peer's coroutine never ended");

  std::uint64_t records = recorded();
  log_.reset();
  ledger_.read_log(read_log_file());
  if (ledger_.log_lines() != records) {
    ledger_.violation(fmt::format("{} log records, {} requests in the metrics", ledger_.log_lines(), records));
  }
  ledger_.check(ended_at - started_at_);
}

void World::expect_nothing_left(Worker& worker) {
  std::size_t buffers = worker.reactor().buffers().outstanding();
  std::size_t frames = worker.frames().outstanding();
  if (buffers != 0) ledger_.violation(fmt::format("{} buffers are left", buffers));
  if (frames != 0) ledger_.violation(fmt::format("{} coroutine frames are left", frames));
  if (worker.view().exchanges != 0) ledger_.violation("an exchange is left");
}

void World::stop_peers() {
  stopping_ = true;
  in_peers_turn([this] {
    for (auto& service : services_) service->die();
    users_->die();
  });
  run_until([this] { return peers_ended(); }, seconds(120));
}

std::string World::read_log_file() {
  std::ifstream file(log_file_, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::uint64_t World::recorded() const {
  std::uint64_t total = 0;
  for (const auto& shard : metrics_.shards()) {
    shard->for_each_series([&](const telemetry::RequestSeries&, std::uint64_t count) { total += count; });
    total += shard->overflow();
  }
  return total;
}

}  // namespace lotagate::simulation
