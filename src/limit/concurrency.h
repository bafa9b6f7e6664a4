// Limits on how many requests are under way at once: places that requests take, hold and give back, exact over all
// workers, with a bounded, fair queue for those that find none free.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "limit/fair_queue.h"

namespace lotagate::limit {

// The numbers of one limit. Whoever holds or awaits one of its places refers to it, so it lives as long as the process;
// a reload only changes its numbers.
class ConcurrencyLimit {
 public:
  // `number`: what its decisions are counted under.
  explicit ConcurrencyLimit(std::uint32_t number = 0) : number_(number) {}

  std::uint32_t number() const noexcept { return number_; }
  // `requests` at once for each key, at least 1; `queue` more may wait, or none. Any thread; PlaceTable::regrant() lets
  // those in that the new numbers have room for.
  void set(std::uint32_t requests, std::uint32_t queue) noexcept {
    numbers_.store(std::uint64_t{requests} << 32 | queue, std::memory_order_relaxed);
  }
  std::uint32_t requests() const noexcept {
    return static_cast<std::uint32_t>(numbers_.load(std::memory_order_relaxed) >> 32);
  }
  std::uint32_t queue() const noexcept { return static_cast<std::uint32_t>(numbers_.load(std::memory_order_relaxed)); }

 private:
  friend class PlaceTable;
  const std::uint32_t number_;
  std::atomic<std::uint64_t> numbers_{1ull << 32};  // one word, so that nobody sees half of a change
  // What a key that comes back knows of the last one: how long places are held. A hint; races lose an update.
  std::atomic<std::int64_t> held_ns_{0};
};

class PlaceWaiter;

// Which place is asked for.
struct PlaceRequest {
  ConcurrencyLimit& limit;
  std::uint64_t key;  // whose places these are: a well-mixed secret hash that no other limit shares (limit_key.h)
  MonotonicTime now;
};

// The places of all limits of the process. A key has an entry only while one of its places is held or awaited, so there
// are never more entries than requests under way times the limits of a route, which the cap on connections bounds.
//
// Locks: one of kStripes mutexes, chosen by the key, for a few dozen instructions; the queue's steps take the logarithm
// of the users that wait. Nobody is notified while a lock is held.
class PlaceTable {
 private:
  struct Entry;

 public:
  PlaceTable();
  ~PlaceTable();  // every place has been given back
  PlaceTable(const PlaceTable&) = delete;
  PlaceTable& operator=(const PlaceTable&) = delete;

  // A place that is held: to be released exactly once.
  class Place {
   public:
    Place() = default;
    explicit operator bool() const { return entry_ != nullptr; }

   private:
    friend class PlaceTable;
    Place(Entry* entry, MonotonicTime since) : entry_(entry), since_(since) {}
    Entry* entry_ = nullptr;
    MonotonicTime since_{};
  };

  enum class Outcome : std::uint8_t {
    granted,  // `place` is held
    queued,   // the waiter's notice will come
    full,     // nothing is held; `retry_after` says when to come back
  };
  struct Answer {
    Outcome outcome;
    Place place = {};
    seconds retry_after{0};
  };

  // Takes a place if one is free and nobody waits for it; otherwise queues `waiter` if the queue takes it, which may
  // displace another. Without a waiter: `full` where one would be queued or refused. Any thread, as all of these.
  Answer acquire(const PlaceRequest& request, PlaceWaiter* waiter);
  // Takes a place whether one is free or not: limits that only report. `over`: acquire() would have refused it, if what
  // is held beyond the limit had waited.
  Place acquire_anyway(const PlaceRequest& request, bool& over);
  // Gives the place back, and on to the next that waits.
  void release(const Place& place, MonotonicTime now);

  struct Left {
    bool queued;          // it still waited, and no notice will come. Otherwise the notice comes, or has come
    Place place = {};     // granted meanwhile: held, and to be released
    seconds retry_after;  // as for `full`
  };
  // Ends the wait of a waiter that was queued, before its notice was taken notice of.
  Left leave(PlaceWaiter& waiter, MonotonicTime now);

  // Lets those in that changed numbers have room for.
  void regrant(MonotonicTime now);

  // Keys with places held or awaited, of this moment.
  std::size_t keys() const;

 private:
  friend class PlaceWaiter;
  static constexpr std::size_t kStripes = 64;
  static constexpr std::size_t kBuckets = 256;      // per stripe: short chains at 10 000 keys
  static constexpr std::size_t kKeptEntries = 256;  // per stripe: a request in steady state allocates nothing
  struct Stripe;

  Stripe& stripe_of(std::uint64_t key);
  // All with the stripe's lock. grant() collects those to be notified once it is given up.
  static Entry& find_or_make(Stripe& stripe, const PlaceRequest& request);
  static void grant(Entry& entry, PlaceWaiter*& granted, MonotonicTime now);
  static void drop_if_unused(Stripe& stripe, Entry& entry);
  static seconds retry_after(const Entry& entry, MonotonicTime now);
  static bool queue(Entry& entry, PlaceWaiter& waiter, PlaceWaiter*& displaced);
  // Without it.
  static void notify(PlaceWaiter* waiters);

  std::unique_ptr<std::array<Stripe, kStripes>> stripes_;
};

// A request that waits for a place. It lives until `notify` was called, or until leave() said that it still waited.
class PlaceWaiter : private QueuedRequest {
 public:
  // Called once, on any thread: a place was granted, or the waiter displaced.
  using Notify = void (*)(PlaceWaiter&) noexcept;
  PlaceWaiter(Notify notify, std::uint64_t who, Priority priority) : QueuedRequest(who, priority), notify_(notify) {}

  // After the notice: the place that is held; false if the waiter was displaced.
  const PlaceTable::Place& place() const { return place_; }
  // After the notice that it was displaced.
  seconds retry_after() const { return retry_after_; }

 private:
  friend class PlaceTable;
  Notify notify_;
  PlaceTable::Entry* entry_ = nullptr;  // while it waits
  PlaceTable::Stripe* stripe_ = nullptr;
  PlaceTable::Place place_;
  seconds retry_after_{0};
  PlaceWaiter* next_notified_ = nullptr;
};

}  // namespace lotagate::limit
