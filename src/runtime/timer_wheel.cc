#include "runtime/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace lotagate {

void Timer::unlink() noexcept {
  if (!linked()) return;
  *previous_ = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  std::size_t slot = tick_ % TimerWheel::kSlots;
  if ((*wheel_->slots_)[slot] == nullptr) wheel_->occupied_[slot / 64] &= ~(1ull << (slot % 64));
  wheel_ = nullptr;
  next_ = nullptr;
  previous_ = nullptr;
}

TimerWheel::TimerWheel(MonotonicTime now)
    : current_tick_(tick_of(now)), slots_(std::make_unique<std::array<Timer*, kSlots>>()) {
  slots_->fill(nullptr);
}

std::uint64_t TimerWheel::tick_of(MonotonicTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count()) >> kTickShift;
}

void TimerWheel::link(Timer& timer, std::uint64_t tick) {
  std::size_t slot = tick % kSlots;
  Timer*& head = (*slots_)[slot];
  timer.wheel_ = this;
  timer.tick_ = tick;
  timer.next_ = head;
  timer.previous_ = &head;
  if (head != nullptr) head->previous_ = &timer.next_;
  head = &timer;
  occupied_[slot / 64] |= 1ull << (slot % 64);
}

void TimerWheel::arm(Timer& timer, MonotonicTime deadline) {
  timer.deadline_ = deadline;
  if (deadline == kNever) return;
  // One tick later than the deadline's own, so that a timer never fires early; never in the slot being fired.
  std::uint64_t wanted = std::max(tick_of(deadline) + 1, current_tick_ + 1);
  std::uint64_t tick = std::min(wanted, current_tick_ + kSlots - 1);
  if (timer.linked() && timer.tick_ <= tick) return;  // lazy: it moves on when its slot comes round
  timer.unlink();
  link(timer, tick);
}

void TimerWheel::fire_slot(std::size_t slot, MonotonicTime now) {
  while (Timer* timer = (*slots_)[slot]) {
    timer->unlink();
    if (timer->deadline_ == kNever) continue;
    if (timer->deadline_ > now) {
      arm(*timer, timer->deadline_);
      continue;
    }
    timer->deadline_ = kNever;
    timer->fire_(*timer);
  }
}

void TimerWheel::advance(MonotonicTime now) {
  std::uint64_t target = tick_of(now);
  while (current_tick_ < target) {
    // Jump over empty slots; after a long stop everything in the wheel is visited once.
    if (next_due() > now) {
      current_tick_ = target;
      return;
    }
    std::uint64_t next = tick_of(next_due());
    current_tick_ = std::min(std::max(next, current_tick_ + 1), target);
    fire_slot(current_tick_ % kSlots, now);
  }
}

MonotonicTime TimerWheel::next_due() const {
  std::size_t start = (current_tick_ + 1) % kSlots;
  constexpr std::size_t kWords = kSlots / 64;
  for (std::size_t i = 0; i <= kWords; ++i) {
    std::size_t word = (start / 64 + i) % kWords;
    std::uint64_t bits = occupied_[word];
    if (i == 0) bits &= ~0ull << (start % 64);
    if (i == kWords) bits &= (start % 64 == 0) ? 0 : ~0ull >> (64 - start % 64);
    if (bits == 0) continue;
    std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    std::uint64_t distance = (slot + kSlots - start) % kSlots;
    return MonotonicTime(nanoseconds(static_cast<std::int64_t>((current_tick_ + 1 + distance) << kTickShift)));
  }
  return kNever;
}

}  // namespace lotagate
