// Messages from any thread to one worker: a closure run on the worker's own thread between two turns of its loop.
// For rare things (a new snapshot, an answered look-up), so a mutex is cheap enough and easy to trust.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

namespace lotagate {

class Mailbox {
 public:
  using Message = std::move_only_function<void()>;

  // Any thread. True if the box was empty before: the sender then wakes the worker.
  bool post(Message message);
  // Owner only: runs everything posted so far, in order.
  void drain();

 private:
  std::atomic<bool> filled_{false};  // lets the owner skip the lock on most turns
  std::mutex mutex_;
  std::vector<Message> messages_;
  std::vector<Message> running_;
};

}  // namespace lotagate
