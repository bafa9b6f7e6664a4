#include "users/turns.h"

namespace lotagate::users {

bool Turns::take(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  if (free_ > 0) {
    --free_;
    return true;
  }
  Waiting self;
  auto place = queue_.insert(queue_.end(), &self);
  if (self.called.wait_for(lock, most, [&] { return self.has_turn; })) return true;  // and it has left the queue
  queue_.erase(place);
  return false;
}

// A turn goes from hand to hand: one that was free for a moment would be taken by whoever comes just then.
void Turns::give_back() {
  std::scoped_lock lock(mutex_);
  if (queue_.empty()) {
    ++free_;
    return;
  }
  Waiting* next = queue_.front();
  queue_.pop_front();
  next->has_turn = true;
  next->called.notify_one();  // under the lock: it ends with its waiting
}

std::unique_ptr<Exclusive::Hold> Exclusive::hold(const std::string& name) {
  std::scoped_lock lock(mutex_);
  if (!names_.insert(name).second) return nullptr;
  return std::make_unique<Hold>(*this, name);
}

void Exclusive::release(const std::string& name) {
  std::scoped_lock lock(mutex_);
  names_.erase(name);
}

}  // namespace lotagate::users
