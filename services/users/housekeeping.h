// Removes what is over: sessions, and failures that no longer count. One thread, once a minute.
#pragma once

#include <thread>

#include "common/database.h"
#include "common/stop_signal.h"

namespace lotagate::users {

class Housekeeping {
 public:
  explicit Housekeeping(services::Database& database);
  ~Housekeeping();

 private:
  void run();

  services::Database& database_;
  services::StopSignal stop_;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace lotagate::users
