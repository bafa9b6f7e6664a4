#include "runtime/mailbox.h"

namespace lotagate {

bool Mailbox::post(Message message) {
  std::lock_guard lock(mutex_);
  messages_.push_back(std::move(message));
  return !filled_.exchange(true, std::memory_order_release);
}

void Mailbox::drain() {
  if (!filled_.load(std::memory_order_acquire)) return;
  {
    std::lock_guard lock(mutex_);
    running_.swap(messages_);
    filled_.store(false, std::memory_order_release);
  }
  for (auto& message : running_) message();
  running_.clear();
}

}  // namespace lotagate
