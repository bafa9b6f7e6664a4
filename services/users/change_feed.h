// The list of whose access changed, in order, and waiting for its next entry.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/database.h"

namespace lotagate::users {

struct Changes {
  std::int64_t revision = 0;          // of the newest change
  bool all = false;                   // the reader must forget everything it knows
  std::vector<std::string> subjects;  // who changed after `since`, each once; empty when `all`
};

class ChangeFeed {
 public:
  explicit ChangeFeed(services::Database& database) : database_(database) {}

  // Records that `subject`'s access changes, in the transaction that changes it. After its commit, call announce().
  void append(services::Transaction& transaction, std::string_view subject);
  void announce();

  std::int64_t revision();

  // What came after `since`, at once if there is anything, else as soon as there is, else after `time`.
  // `all` for a revision that was never given out or is no longer kept.
  Changes wait_beyond(std::int64_t since, std::chrono::milliseconds time);

  // Ends every wait, now and from now on.
  void stop();

 private:
  Changes read_beyond(std::int64_t since);

  services::Database& database_;
  std::mutex mutex_;
  std::condition_variable announced_;
  std::uint64_t announcements_ = 0;
  bool stopped_ = false;
};

}  // namespace lotagate::users
