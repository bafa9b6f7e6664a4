// Keeps the issuers' key sets current: fetched from their URLs or read from files, behind the requests.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "access/key_ring.h"
#include "base/clock.h"
#include "config/config.h"
#include "gateway/backoff.h"
#include "gateway/fetch.h"
#include "telemetry/prometheus.h"

namespace lotagate {

class KeySource;

// The defaults are the product's; tests shorten them.
struct KeySourceTimes {
  milliseconds fetch_timeout{3000};
  milliseconds retry_first{1000};  // after a failure, doubled up to retry_last
  milliseconds retry_last{30000};
  milliseconds retry_without_keys{2000};  // the most while an issuer has no keys: all its tokens are refused meanwhile
  milliseconds file_check{5000};
  milliseconds shortest_refresh{30000};    // whatever max-age says, unless `refresh` of the configuration is shorter
  milliseconds metadata_refresh{3600000};  // between two looks where the keys are, unless `refresh` is longer
};

struct KeySourceOptions {
  std::vector<config::Issuer> issuers;
  // Gets every new state of all issuers' keys, indexed like `issuers`; called by start() and by the source's thread.
  std::function<void(std::shared_ptr<const access::KeyRing>)> publish;
  std::function<void(std::string_view)> log;  // one line, without line end; called like `publish`
  // The keys of an issuer that needs none fetched (a configured secret); null: they come from its `jwks`. Called by the
  // constructor. May be empty.
  std::function<std::shared_ptr<const access::KeySet>(const config::Issuer&)> constant_keys = nullptr;
  // The source this one takes over from on a reload, or null; used by the constructor only, which stops it. Issuers
  // with the same name and address keep their keys, versions, schedule and counters.
  KeySource* previous = nullptr;
  KeySourceTimes times;
};

// Whatever goes wrong, the last good set stays: for `refresh` and then `max_stale` since it was last confirmed. After
// that the issuer has no keys, and its tokens are answered keys_unavailable. With discovery the same holds for the
// address that the issuer's metadata names; the metadata is read again every hour, and before every further attempt
// once fetching the keys has failed.
class KeySource {
 public:
  explicit KeySource(KeySourceOptions options);
  ~KeySource();
  KeySource(const KeySource&) = delete;
  KeySource& operator=(const KeySource&) = delete;

  // Reads every file and tries every URL without keys once, all at the same time, publishes what there is, then goes
  // on in the background. Blocks for at most about the fetch time-out, twice that with discovery.
  void start();
  // Ends a running fetch and the background work at once; afterwards neither function is called.
  void stop();

  // From any thread, wait-free while a refetch is pending: the issuer's keys lacked what a token asked for. `key` is a
  // hash of what it asked for. Requests are answered together, once per cool-down; one within it is kept until it has
  // passed. The same key asks again only after longer and longer times (UnknownKeys).
  void request_refetch(std::uint32_t issuer, std::uint64_t key);

  // From any thread; indexed like the issuers.
  std::vector<telemetry::IssuerMetrics> metrics() const;
  // What the last attempt failed with, empty after a good one; for /status.
  std::vector<std::string> problems() const;
  // Whether every issuer has keys.
  bool ready() const;

 private:
  struct Source;
  struct Loaded;

  void inherit(KeySource& previous);
  void run();
  bool wait_for_work();
  // Loads what is due; whether any issuer's keys changed.
  bool load_due();
  std::vector<Source*> take_due(MonotonicTime now);
  std::vector<Loaded> load(const std::vector<Source*>& sources, MonotonicTime now);
  void load_metadata(const std::vector<Source*>& sources, std::vector<Loaded>& loaded, MonotonicTime now);
  void load_keys(const std::vector<Source*>& sources, std::vector<Loaded>& loaded);
  // Whether the keys changed.
  bool apply(Source& source, Loaded loaded, MonotonicTime now);
  bool accept(Source& source, Loaded loaded, MonotonicTime now);
  void reject(Source& source, std::string problem, MonotonicTime now);
  void note_result(Source& source, std::string problem, std::string_view consequence);
  void note_address(Source& source, const Loaded& loaded, MonotonicTime now);
  bool drop_expired(MonotonicTime now);
  milliseconds refresh_interval(const Source& source, std::optional<seconds> max_age);
  milliseconds retry_interval(Source& source);
  void publish();
  void log(const Source& source, std::string_view text) const;
  bool stopping() const;

  KeySourceOptions options_;
  Fetcher fetcher_;
  Jitter jitter_;             // the fetching thread's
  mutable std::mutex mutex_;  // guards the following, and what Source says
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Source>> sources_;  // the vector itself never changes
  std::uint64_t last_version_ = 0;                // of any issuer, so that no version ever stands for two sets
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lotagate
