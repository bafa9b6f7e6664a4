// The process: configuration, workers, control threads, admin listener; start, reload, drain. Used by one thread, the
// control thread, which may block.
#pragma once

#include <array>
#include <atomic>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/snapshot.h"
#include "gateway/admin.h"
#include "gateway/bucket_kinds.h"
#include "gateway/changes_feed.h"
#include "gateway/concurrency_limits.h"
#include "gateway/key_source.h"
#include "gateway/shared.h"
#include "gateway/worker.h"
#include "limit/key_names.h"
#include "limit/shared_buckets.h"

namespace lotagate {

class Gateway {
 public:
  Gateway(std::string config_file, std::string version);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Everything from the file to the first accept. On failure: readable lines, and nothing is left listening.
  std::expected<void, std::vector<std::string>> start();
  // Parse, validate, swap. A bad file changes nothing and is reported on the log and in /status.
  void reload();
  void reopen_log();
  // Host names may have moved; called now and then.
  void refresh_addresses();
  // Begins the drain, or shortens one that runs. finished() tells its end.
  void drain(nanoseconds limit);
  nanoseconds drain_limit() const { return snapshot_->config.timeouts.drain; }
  bool finished() const { return running_workers_.load() == 0; }
  void wait();

 private:
  struct ReloadState {
    WallTime last{};
    bool succeeded = true;
    std::uint64_t count = 0;
    std::uint64_t failures = 0;
    std::vector<std::string> errors;  // of the last attempt
  };

  std::expected<void, std::vector<std::string>> bind(const config::Config& config);
  void open_limit_store(const config::Config& config);
  void start_workers();
  config::CompileHooks hooks();
  std::shared_ptr<const config::Snapshot> compile(config::Config config);
  void start_key_source(KeySource* previous);
  void start_changes_feed(std::optional<std::uint64_t> since);
  void stop_changes_feed();
  void publish_keys(std::shared_ptr<const access::KeyRing> keys);
  void publish_snapshot();
  void warn_about_restart_settings(const config::Config& fresh) const;
  void finish_reload(std::vector<std::string> errors);

  // Pages of the admin listener, on its thread.
  AdminPage page(std::string_view path);
  AdminPage ready_page();
  std::string status_json();
  telemetry::ProcessMetrics process_metrics();  // for who holds mutex_

  std::string config_file_;
  std::string version_;
  WallTime started_{};
  std::unique_ptr<telemetry::Metrics> metrics_;
  std::unique_ptr<telemetry::AccessLog> log_;
  std::unique_ptr<limit::BucketTable> buckets_;
  std::unique_ptr<Shared> shared_;
  BucketKinds bucket_kinds_;
  limit::KeyNames key_names_;
  ConcurrencyLimits concurrency_limits_;
  std::unique_ptr<limit::SharedBuckets> shared_buckets_;
  std::map<std::string, std::vector<SocketAddress>> addresses_;  // by host:port, as last resolved
  std::map<SocketAddress, std::shared_ptr<upstream::EndpointHealth>> health_;

  // Guards what the admin thread and the key source's thread look at while the control thread reloads.
  mutable std::mutex mutex_;
  std::shared_ptr<const config::Snapshot> snapshot_;
  std::shared_ptr<const access::KeyRing> keys_;
  bool keys_follow_snapshot_ = false;  // workers know the issuers that keys_ is about
  ReloadState reload_;
  std::shared_mutex key_source_mutex_;  // for workers that ask for a refetch; held exclusively only around the swap
  std::unique_ptr<KeySource> key_source_;
  std::unique_ptr<ChangesFeed> changes_feed_;

  std::vector<SocketAddress> bound_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<std::size_t> running_workers_{0};
  std::atomic<bool> draining_{false};
  std::unique_ptr<AdminServer> admin_;
};

}  // namespace lotagate
