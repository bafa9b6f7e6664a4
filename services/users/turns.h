// Who may use the processor for a password: in the order of arrival, and nobody twice at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace lotagate::users {

// So many at once; the others wait in a queue. A semaphore would let those win who ask most often.
class Turns {
 public:
  explicit Turns(std::size_t at_once) : free_(at_once) {}

  // False: it took longer than `most`. Otherwise give_back() has to follow.
  bool take(std::chrono::milliseconds most);
  void give_back();

 private:
  struct Waiting {
    std::condition_variable called;
    bool has_turn = false;
  };

  std::mutex mutex_;
  std::size_t free_;           // nobody waits while it is not 0
  std::list<Waiting*> queue_;  // each lives in its take()
};

// Names that are being dealt with right now.
class Exclusive {
 public:
  // Frees the name at its end.
  class Hold {
   public:
    Hold(Exclusive& owner, std::string name) : owner_(owner), name_(std::move(name)) {}
    ~Hold() { owner_.release(name_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Exclusive& owner_;
    const std::string name_;
  };

  // Null if somebody holds it already.
  std::unique_ptr<Hold> hold(const std::string& name);

 private:
  void release(const std::string& name);

  std::mutex mutex_;
  std::set<std::string> names_;  // at most as many as there are calls
};

}  // namespace lotagate::users
