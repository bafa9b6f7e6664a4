// One flag that a whole process stops by, and a sleep that ends with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace lotagate::services {

class StopSignal {
 public:
  void raise() {
    {
      std::scoped_lock lock(mutex_);
      raised_ = true;
    }
    changed_.notify_all();
  }

  bool raised() const {
    std::scoped_lock lock(mutex_);
    return raised_;
  }

  // Sleeps for `time`; true if the stop came first, or had come.
  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return raised_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

}  // namespace lotagate::services
