#include "gateway/gateway.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/host_port.h"
#include "gateway/authentication_settings.h"
#include "gateway/limit_store.h"
#include "gateway/resolve.h"
#include "runtime/epoll_backend.h"

namespace lotagate {
namespace {

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::string bind_error(const SocketAddress& address, int error) {
  std::string text = "cannot listen on " + to_string(address) + ": " + std::strerror(error);
  if (error == EADDRINUSE) text += "; stop what uses the port or configure another";
  return text;
}

std::uint32_t worker_count(const config::Config& config) {
  return config.workers != 0 ? config.workers : std::max(1u, std::thread::hardware_concurrency());
}

// Unique to this process, so that its own requests are recognised when they come back (RFC 9110 7.6.3).
std::string instance_name() {
  Arena arena(64);
  IdSource ids;
  return "lotagate-" + std::string(ids.id64(arena));
}

constexpr std::size_t kWorkerDescriptors = 2;  // epoll and its wake-up, beside the listeners

// How many client connections the process has descriptors for: two each, one towards the client and one towards a
// service, beside what is open already, what the workers take (`planned`), and what key fetches and scrapes come to
// need.
std::uint32_t connection_capacity(std::size_t planned) {
  constexpr std::size_t kReserve = 16;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return UINT32_MAX;
  std::error_code error;
  auto open = static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd", error), {}));
  std::size_t taken = open + planned + kReserve;
  std::size_t left = limit.rlim_cur > taken ? limit.rlim_cur - taken : 0;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(left / 2, 1, UINT32_MAX));
}

// Connections know their listener by its position: only a restart may change the positions.
bool same_addresses(const std::vector<config::Listener>& a, const std::vector<config::Listener>& b) {
  return std::ranges::equal(a, b, {}, &config::Listener::address, &config::Listener::address);
}

std::vector<std::string> to_lines(const std::vector<config::ConfigError>& errors) {
  std::vector<std::string> lines;
  for (const auto& error : errors) lines.push_back(config::to_string(error));
  return lines;
}

void log_warnings(const config::Config& config) {
  for (const std::string& line : config::warning_lines(config)) spdlog::warn("{}", line);
}

std::unexpected<std::vector<std::string>> failure(std::string line) {
  return std::unexpected(std::vector<std::string>{std::move(line)});
}

}  // namespace

Gateway::Gateway(std::string config_file, std::string version)
    : config_file_(std::move(config_file)), version_(std::move(version)) {}

Gateway::~Gateway() {
  admin_.reset();
  changes_feed_.reset();
  key_source_.reset();
}

std::expected<void, std::vector<std::string>> Gateway::start() {
  auto loaded = config::load_config(config_file_);
  if (!loaded) return std::unexpected(to_lines(loaded.error()));
  log_warnings(*loaded);
  raise_descriptor_limit();
  started_ = WallTime(std::chrono::system_clock::now());
  reload_.last = started_;

  std::uint32_t workers = worker_count(*loaded);
  auto log = telemetry::AccessLog::open(
      {.file = loaded->access_log.file, .buffer_bytes = loaded->access_log.buffer_bytes, .workers = workers});
  if (!log) return failure(log.error());
  log_ = std::move(*log);
  metrics_ = std::make_unique<telemetry::Metrics>(workers);
  buckets_ = std::make_unique<limit::BucketTable>(loaded->rate_limit_table.memory_bytes);
  open_limit_store(*loaded);
  auto refetch = [this](const access::RefetchRequest& missed) {
    std::shared_lock lock(key_source_mutex_);
    if (key_source_) key_source_->request_refetch(missed.issuer, missed.key);
  };
  std::uint32_t capacity = connection_capacity(workers * (kWorkerDescriptors + loaded->listeners.size()));
  shared_ =
      std::make_unique<Shared>(*metrics_, *log_, *buckets_, shared_buckets_.get(), instance_name(), refetch, capacity);
  for (std::uint32_t i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, *shared_, std::make_unique<EpollBackend>()));
  }
  auto bound = bind(*loaded);
  if (!bound) return bound;
  if (capacity < loaded->limits.connections) {
    spdlog::warn(
        "descriptors suffice for {} client connections, not {} (limits.connections); raise the limit (ulimit -n)",
        capacity, loaded->limits.connections);
  }

  snapshot_ = compile(std::move(*loaded));
  start_key_source(nullptr);
  start_changes_feed(std::nullopt);
  start_workers();
  if (admin_) admin_->start();
  for (const SocketAddress& address : bound_) spdlog::info("listening on {}", to_string(address));
  spdlog::info("ready");
  return {};
}

// Once open it stays: requests under an older configuration may still count there.
void Gateway::open_limit_store(const config::Config& config) {
  if (!config.limit_store) return;
  if (!shared_buckets_) {
    shared_buckets_ = std::make_unique<limit::SharedBuckets>(store_settings(*config.limit_store), store_hooks());
  } else if (config.limit_store != snapshot_->config.limit_store) {
    shared_buckets_->reconfigure(store_settings(*config.limit_store));
  }
}

void Gateway::start_workers() {
  running_workers_ = workers_.size();
  std::lock_guard lock(mutex_);
  for (auto& worker : workers_) worker->start(snapshot_, keys_, [this] { --running_workers_; });
  keys_follow_snapshot_ = true;
}

// Every listener on every worker, then the admin listener: all of them, or none.
std::expected<void, std::vector<std::string>> Gateway::bind(const config::Config& config) {
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    SocketAddress address = config.listeners[i].address;
    // SO_REUSEPORT would let a second gateway share the port unseen.
    if (int error = EpollBackend::probe(address)) return failure(bind_error(address, error));
    for (auto& worker : workers_) {
      auto got = worker->listen(address, i);
      if (!got) return failure(bind_error(address, got.error()));
      address = *got;  // the port that 0 stands for is the same for all
    }
    bound_.push_back(address);
  }
  if (!config.admin) return {};
  admin_ = std::make_unique<AdminServer>([this](std::string_view path) { return page(path); });
  if (int error = EpollBackend::probe(*config.admin)) return failure(bind_error(*config.admin, error));
  auto got = admin_->listen(*config.admin);
  if (!got) return failure(bind_error(*config.admin, got.error()));
  spdlog::info("admin on {}", to_string(*got));
  return {};
}

config::CompileHooks Gateway::hooks() {
  return {.resolve =
              [this](const config::Url& url) {
                auto addresses = resolve(url);
                auto& known = addresses_[host_and_port(url.host, url.port)];
                if (!addresses.empty()) known = addresses;  // X06: a failed look-up keeps the last addresses
                if (known.empty()) spdlog::warn("cannot resolve {}; trying again later", url.host);
                return known;
              },
          .metrics_slot = [this](const std::string& route,
                                 const std::string& service) { return metrics_->route_slot(route, service); },
          .bucket_kind = [this](const std::string& policy,
                                const std::string& value) { return bucket_kinds_.number(policy, value); },
          .shared_policy = [this](const limit::SharedPolicy& policy) -> const limit::SharedPolicy* {
            return shared_buckets_ ? &shared_buckets_->policy(policy) : nullptr;
          },
          .concurrency_limit = [this](const std::string& name) { return &concurrency_limits_.named(name); },
          .health =
              [this](const SocketAddress& address) {
                auto& health = health_[address];
                if (!health) health = std::make_shared<upstream::EndpointHealth>();
                return health;
              }};
}

std::shared_ptr<const config::Snapshot> Gateway::compile(config::Config config) {
  auto compiled = config::compile(std::move(config), hooks(), snapshot_.get());
  MonotonicTime now(std::chrono::steady_clock::now());
  ConcurrencyLimits::adopt(*compiled, shared_->places, now);
  return compiled;
}

// On return the keys that could be had at once are in keys_. Workers get them with the snapshot they belong to.
void Gateway::start_key_source(KeySource* previous) {
  auto source = std::make_unique<KeySource>(KeySourceOptions{
      .issuers = snapshot_->config.authentication.issuers,
      .publish = [this](std::shared_ptr<const access::KeyRing> keys) { publish_keys(std::move(keys)); },
      .log = [](std::string_view line) { spdlog::warn("{}", line); },
      .constant_keys = secret_keys,
      .previous = previous,
      .times = {}});
  source->start();
  std::scoped_lock lock(mutex_, key_source_mutex_);
  key_source_.swap(source);
}

// `since`: what the directory already knows, when it survived a reload.
void Gateway::start_changes_feed(std::optional<std::uint64_t> since) {
  stop_changes_feed();
  if (!snapshot_->directory) return;
  auto feed =
      std::make_unique<ChangesFeed>(ChangesFeedOptions{.service = *snapshot_->config.user_management,
                                                       .directory = snapshot_->directory,
                                                       .key_directory = snapshot_->key_directory,
                                                       .breaker = snapshot_->breaker,
                                                       .log = [](std::string_view line) { spdlog::warn("{}", line); },
                                                       .since = since,
                                                       .times = {}});
  std::lock_guard lock(mutex_);
  changes_feed_ = std::move(feed);
}

void Gateway::stop_changes_feed() {
  std::unique_ptr<ChangesFeed> old;  // destroyed behind the lock: that joins a thread
  std::lock_guard lock(mutex_);
  old.swap(changes_feed_);
}

void Gateway::publish_keys(std::shared_ptr<const access::KeyRing> keys) {
  std::lock_guard lock(mutex_);
  keys_ = keys;
  if (!keys_follow_snapshot_) return;
  for (auto& worker : workers_) worker->adopt_keys(keys);
}

void Gateway::reload() {
  auto loaded = config::load_config(config_file_);
  if (!loaded) {
    finish_reload(to_lines(loaded.error()));
    return;
  }
  log_warnings(*loaded);
  warn_about_restart_settings(*loaded);
  if (!same_addresses(loaded->listeners, snapshot_->config.listeners)) loaded->listeners = snapshot_->config.listeners;
  open_limit_store(*loaded);
  // Workers look at it only under the snapshot that comes below; once they may, it is not written any more.
  if (shared_->shared_buckets == nullptr) shared_->shared_buckets = shared_buckets_.get();
  auto fresh = compile(std::move(*loaded));
  bool same_issuers = config::same_authentication(snapshot_->config, fresh->config);
  bool same_directory = snapshot_->directory == fresh->directory;
  bool same_token = same_directory && (!fresh->config.user_management || snapshot_->config.user_management->token ==
                                                                             fresh->config.user_management->token);
  std::optional<std::uint64_t> known_revision;
  if (same_directory && changes_feed_) known_revision = changes_feed_->revision();
  {
    std::lock_guard lock(mutex_);
    snapshot_ = std::move(fresh);
    keys_follow_snapshot_ = same_issuers;
  }
  if (!same_issuers) start_key_source(key_source_.get());
  if (!same_token) start_changes_feed(known_revision);
  publish_snapshot();
  finish_reload({});
}

void Gateway::publish_snapshot() {
  std::lock_guard lock(mutex_);
  keys_follow_snapshot_ = true;
  for (auto& worker : workers_) worker->adopt(snapshot_, keys_);
}

void Gateway::finish_reload(std::vector<std::string> errors) {
  for (const std::string& line : errors) spdlog::error("{}", line);
  if (errors.empty()) {
    spdlog::info("configuration reloaded");
  } else {
    spdlog::error("reload refused: the running configuration stays");
  }
  std::lock_guard lock(mutex_);
  reload_.last = WallTime(std::chrono::system_clock::now());
  reload_.succeeded = errors.empty();
  ++reload_.count;
  if (!errors.empty()) ++reload_.failures;
  reload_.errors = std::move(errors);
}

void Gateway::warn_about_restart_settings(const config::Config& fresh) const {
  const config::Config& running = snapshot_->config;
  auto warn = [](std::string_view key) { spdlog::warn("`{}` changed: takes effect after a restart", key); };
  if (!same_addresses(running.listeners, fresh.listeners)) warn("listeners");
  if (running.admin != fresh.admin) warn("admin");
  if (running.workers != fresh.workers) warn("workers");
  if (running.access_log.file != fresh.access_log.file) warn("access_log");
  if (running.rate_limit_table.memory_bytes != fresh.rate_limit_table.memory_bytes) warn("rate_limit_table");
  bool same_memory = !running.limit_store || !fresh.limit_store ||
                     running.limit_store->memory_bytes == fresh.limit_store->memory_bytes;
  if (!same_memory) warn("limit_store.memory");
}

void Gateway::refresh_addresses() {
  const config::Config& config = snapshot_->config;
  bool names = config.user_management && is_name(config.user_management->url);
  for (const auto& service : config.services) names |= std::ranges::any_of(service.endpoints, is_name);
  if (!names) return;
  auto fresh = compile(config::Config(config));
  {
    std::lock_guard lock(mutex_);
    snapshot_ = std::move(fresh);
  }
  publish_snapshot();
}

void Gateway::reopen_log() { log_->reopen(); }

void Gateway::drain(nanoseconds limit) {
  draining_ = true;
  for (auto& worker : workers_) worker->drain(limit);
}

void Gateway::wait() {
  for (auto& worker : workers_) worker->join();
}

}  // namespace lotagate
