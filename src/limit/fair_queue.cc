#include "limit/fair_queue.h"

namespace lotagate::limit {

void FairQueue::append(Lane& lane, Line& line) {
  line.previous = lane.last;
  line.next = nullptr;
  (lane.last == nullptr ? lane.first : lane.last->next) = &line;
  lane.last = &line;
}

void FairQueue::unlink(Lane& lane, Line& line) {
  (line.previous == nullptr ? lane.first : line.previous->next) = line.next;
  (line.next == nullptr ? lane.last : line.next->previous) = line.previous;
}

// Reuses the set's node: what waits leaves without an allocation that might fail.
void FairQueue::change_length(Lane& lane, Line& line, std::size_t length) {
  auto node = lane.by_length.extract({line.length, line.who});
  node.value().first = line.length = length;
  lane.by_length.insert(std::move(node));
}

void FairQueue::push(QueuedRequest& request) {
  Lane& lane = lane_of(request);
  auto [found, is_new] = lane.lines.try_emplace(request.who_);
  Line& line = found->second;
  if (is_new) {
    line.who = request.who_;
    lane.by_length.insert({0, line.who});
    append(lane, line);
  }
  request.next_ = nullptr;
  request.previous_ = line.last;
  (line.last == nullptr ? line.first : line.last->next_) = &request;
  line.last = &request;
  change_length(lane, line, line.length + 1);
  ++size_;
}

void FairQueue::take_out(Lane& lane, Line& line, QueuedRequest& request) {
  (request.previous_ == nullptr ? line.first : request.previous_->next_) = request.next_;
  (request.next_ == nullptr ? line.last : request.next_->previous_) = request.previous_;
  --size_;
  if (line.length > 1) return change_length(lane, line, line.length - 1);
  unlink(lane, line);
  lane.by_length.erase({line.length, line.who});
  lane.lines.erase(line.who);
}

QueuedRequest* FairQueue::pop() {
  for (Lane& lane : lanes_) {
    if (lane.first == nullptr) continue;
    Line& line = *lane.first;
    QueuedRequest& request = *line.first;
    if (line.length > 1) {  // behind all others that wait
      unlink(lane, line);
      append(lane, line);
    }
    take_out(lane, line, request);
    return &request;
  }
  return nullptr;
}

void FairQueue::remove(QueuedRequest& request) {
  Lane& lane = lane_of(request);
  take_out(lane, lane.lines.find(request.who_)->second, request);
}

QueuedRequest* FairQueue::to_displace(std::uint64_t who, Priority priority) const {
  for (std::size_t i = kPriorityCount; i-- > static_cast<std::size_t>(priority);) {
    const Lane& lane = lanes_[i];
    if (lane.by_length.empty()) continue;
    auto [longest, owner] = *lane.by_length.rbegin();
    QueuedRequest* newest = lane.lines.find(owner)->second.last;
    if (i > static_cast<std::size_t>(priority)) return newest;
    auto own = lane.lines.find(who);
    std::size_t own_length = own == lane.lines.end() ? 0 : own->second.length;
    return longest > own_length + 1 ? newest : nullptr;
  }
  return nullptr;
}

}  // namespace lotagate::limit
