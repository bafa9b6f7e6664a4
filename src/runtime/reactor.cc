#include "runtime/reactor.h"

#include "base/check.h"
#include "runtime/socket.h"

namespace lotagate {

Reactor::Reactor(Backend& backend)
    : backend_(backend), now_(backend.now()), wall_now_(backend.wall_now()), timers_(now_), events_(kEventsPerTurn) {}

Reactor::~Reactor() { LG_CHECK(free_slots_.size() == slots_.size(), "a socket outlives its reactor"); }

void Reactor::post_remote(Mailbox::Message message) {
  if (mailbox_.post(std::move(message))) backend_.wake();
}

std::uint64_t Reactor::add(Socket& socket) {
  std::uint32_t index;
  if (free_slots_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[index].socket = &socket;
  return (static_cast<std::uint64_t>(slots_[index].generation) << 32) | index;
}

void Reactor::remove(std::uint64_t token) {
  auto index = static_cast<std::uint32_t>(token);
  slots_[index].socket = nullptr;
  slots_[index].generation = (slots_[index].generation + 1) & 0x7FFFFFFF;  // keeps clear of the backend's own token
  free_slots_.push_back(index);
}

void Reactor::dispatch(const Event& event) {
  Slot& slot = slots_[static_cast<std::uint32_t>(event.token)];
  if (slot.socket == nullptr || slot.generation != event.token >> 32) return;
  slot.socket->on_event(event);
}

void Reactor::turn() {
  ++turns_;
  MonotonicTime until = ready_.empty() ? timers_.next_due() : MonotonicTime::min();
  std::size_t count = backend_.wait(until, events_);
  now_ = backend_.now();
  wall_now_ = backend_.wall_now();
  budget_ = kBudgetPerTurn;
  mailbox_.drain();
  for (std::size_t i = 0; i < count; ++i) dispatch(events_[i]);
  timers_.advance(now_);
  // What becomes ready while these run waits for the next turn: a bounded turn, whatever happens.
  resuming_.swap(ready_);
  for (auto coroutine : resuming_) coroutine.resume();
  resuming_.clear();
}

}  // namespace lotagate
