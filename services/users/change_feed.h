// The list of whose access changed, in order, and waiting for its next entry.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/database.h"

namespace lotagate::users {

struct Changes {
  std::int64_t revision = 0;          // of the newest change
  bool all = false;                   // the reader must forget everything it knows
  std::vector<std::string> subjects;  // whose access changed after `since`, each once; empty when `all`
  std::vector<std::string> api_keys;  // digests of the API keys that did, likewise
};

class ChangeFeed {
 public:
  explicit ChangeFeed(services::Database& database);
  ~ChangeFeed();

  // Record that the access of a subject, or what an API key is good for, changes, in the transaction (transact(), not
  // transact_rows()) that changes it. After its commit, call announce().
  void append(services::Transaction& transaction, std::string_view subject);
  void append_api_key(services::Transaction& transaction, std::string_view digest);
  // The same for everybody.
  void append_all(services::Transaction& transaction);
  void announce();

  std::int64_t revision();

  // What came after `since`, at once if there is anything, else as soon as there is, else after `time`.
  // `all` for a revision that was never given out or is no longer kept.
  Changes wait_beyond(std::int64_t since, std::chrono::milliseconds time);

  // Ends every wait, now and from now on.
  void stop();

 private:
  Changes read_beyond(std::int64_t since);
  void watch();

  services::Database& database_;
  std::mutex mutex_;
  std::condition_variable announced_;
  std::condition_variable watched_;
  std::uint64_t announcements_ = 0;
  int waiting_ = 0;
  bool stopped_ = false;
  std::thread watcher_;  // the last member: it uses the others
};

}  // namespace lotagate::users
