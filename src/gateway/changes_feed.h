// Follows the User Management Service's changes, so that a revoked role stops working within a second.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "access/role_directory.h"
#include "base/clock.h"
#include "config/config.h"
#include "gateway/backoff.h"
#include "gateway/fetch.h"

namespace lotagate::access {
struct ChangesAnswer;
}  // namespace lotagate::access

namespace lotagate {

// The defaults are the product's; tests shorten them.
struct ChangesFeedTimes {
  milliseconds poll_timeout{35000};  // the service answers after 30 s at the latest
  milliseconds retry_first{200};     // after a failure, doubled up to retry_last
  milliseconds retry_last{5000};
  milliseconds shortest_poll{500};  // for a service that answers without news and without waiting
};

struct ChangesFeedOptions {
  config::UserManagement service;
  std::shared_ptr<access::RoleDirectory> directory;      // of users
  std::shared_ptr<access::RoleDirectory> key_directory;  // of API keys
  std::shared_ptr<access::CircuitBreaker> breaker;       // of both; told when the service is heard of again
  std::function<void(std::string_view)> log;             // one line, without line end; called by the feed's thread
  // The revision up to which the directories already know the changes: that of the feed this one replaces on a reload.
  std::optional<std::uint64_t> since;
  ChangesFeedTimes times;
};

// For /status and metrics.
struct ChangesFeedStats {
  bool connected = false;                 // the last poll was answered
  std::optional<std::uint64_t> revision;  // the last one known; nothing before the first answer
  std::uint64_t polls = 0;
  std::uint64_t failures = 0;
  std::uint64_t users_invalidated = 0;
  std::uint64_t keys_invalidated = 0;
  std::uint64_t full_invalidations = 0;
  std::string problem;  // of the last poll; empty after a good one
};

// While the service is down the directories keep what they have: their own stale time bounds that. On contact again the
// feed goes on from the last revision it knows, so that nothing in between is lost; only when that cannot be done
// (first contact, a revision that went backwards, an answer that cannot be understood, `all`) everything is
// invalidated.
class ChangesFeed {
 public:
  // Starts the thread.
  explicit ChangesFeed(ChangesFeedOptions options);
  // Ends a running poll at once.
  ~ChangesFeed();
  ChangesFeed(const ChangesFeed&) = delete;
  ChangesFeed& operator=(const ChangesFeed&) = delete;

  // From any thread.
  bool connected() const { return stats().connected; }
  std::optional<std::uint64_t> revision() const { return stats().revision; }
  ChangesFeedStats stats() const;

 private:
  enum class Trouble : std::uint8_t { unavailable, unknown_revision, not_understood };
  struct Failure {
    Trouble trouble;
    std::string text;
  };

  void run();
  std::expected<access::ChangesAnswer, Failure> poll(std::optional<std::uint64_t> since);
  // How long to wait before the next poll.
  milliseconds accept(const access::ChangesAnswer& answer, nanoseconds took);
  milliseconds reject(const Failure& failure);
  void invalidate(const access::ChangesAnswer& answer);
  void invalidate_all();
  // False when the feed ends.
  bool sleep(milliseconds wait);

  const ChangesFeedOptions options_;
  const std::string url_;
  Fetcher fetcher_;
  Jitter jitter_;
  Backoff backoff_;
  mutable std::mutex mutex_;  // guards the following; only the feed's thread writes stats_ and may read it without
  std::condition_variable wake_;
  ChangesFeedStats stats_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lotagate
