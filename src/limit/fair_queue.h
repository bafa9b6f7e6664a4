// The order in which waiting requests get their turn: strictly by priority, round robin among users within one, first
// come first served within one user.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "limit/priority.h"

namespace lotagate::limit {

// A request in a FairQueue, which links it and does not own it: it must not go before it has left.
class QueuedRequest {
 public:
  // `who`: a hash of the user, or of what stands for one.
  QueuedRequest(std::uint64_t who, Priority priority) : who_(who), priority_(priority) {}
  QueuedRequest(const QueuedRequest&) = delete;
  QueuedRequest& operator=(const QueuedRequest&) = delete;

  std::uint64_t who() const { return who_; }
  Priority priority() const { return priority_; }

 private:
  friend class FairQueue;
  std::uint64_t who_;
  Priority priority_;
  QueuedRequest* previous_ = nullptr;
  QueuedRequest* next_ = nullptr;
};

// For one thread at a time. Every step takes constant time, or the logarithm of the number of waiting users.
class FairQueue {
 public:
  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void push(QueuedRequest& request);
  // The next in turn, which leaves; null if nobody waits.
  QueuedRequest* pop();
  // Of a request that waits here.
  void remove(QueuedRequest& request);

  // Who has to go so that a queue that is full can take a request of `who`: the newest of whoever waits with most
  // requests, in the lowest priority that waits. Null if that would not be fairer: the newcomer itself has the lower
  // priority, or would wait with as many requests as that user is left with, or more.
  QueuedRequest* to_displace(std::uint64_t who, Priority priority) const;

 private:
  // The requests of one user with one priority.
  struct Line {
    std::uint64_t who = 0;
    std::size_t length = 0;
    QueuedRequest* first = nullptr;
    QueuedRequest* last = nullptr;
    Line* previous = nullptr;  // in the order of turns
    Line* next = nullptr;
  };
  struct Lane {
    std::unordered_map<std::uint64_t, Line> lines;  // by user
    Line* first = nullptr;                          // whose turn it is
    Line* last = nullptr;
    std::set<std::pair<std::size_t, std::uint64_t>> by_length;  // {length, user} of every line
  };

  Lane& lane_of(const QueuedRequest& request) { return lanes_[static_cast<std::size_t>(request.priority_)]; }
  static void append(Lane& lane, Line& line);
  static void unlink(Lane& lane, Line& line);
  static void change_length(Lane& lane, Line& line, std::size_t length);
  void take_out(Lane& lane, Line& line, QueuedRequest& request);

  std::array<Lane, kPriorityCount> lanes_;
  std::size_t size_ = 0;
};

}  // namespace lotagate::limit
