#include "limit/concurrency.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace lotagate::limit {
namespace {

constexpr seconds kLeastRetryAfter{1};
constexpr seconds kMostRetryAfter{60};

}  // namespace

struct PlaceTable::Entry {
  std::uint64_t key = 0;
  ConcurrencyLimit* limit = nullptr;
  Stripe* stripe = nullptr;
  Entry* next = nullptr;  // in its bucket
  std::uint32_t held = 0;
  std::int64_t held_ns = 0;          // how long places are held, a moving average; 0: none was given back yet
  MonotonicTime since{};             // the first place was taken
  std::unique_ptr<FairQueue> queue;  // made by the first that waits

  std::size_t waiting() const { return queue ? queue->size() : 0; }
};

struct alignas(64) PlaceTable::Stripe {
  mutable std::mutex mutex;
  std::array<Entry*, kBuckets> buckets{};
  std::size_t entries = 0;
  std::vector<std::unique_ptr<Entry>> unused;
};

PlaceTable::PlaceTable() : stripes_(std::make_unique<std::array<Stripe, kStripes>>()) {}

PlaceTable::~PlaceTable() { LG_CHECK(keys() == 0, "a place was not given back"); }

PlaceTable::Stripe& PlaceTable::stripe_of(std::uint64_t key) { return (*stripes_)[key % kStripes]; }

PlaceTable::Entry& PlaceTable::find_or_make(Stripe& stripe, const PlaceRequest& request) {
  Entry*& bucket = stripe.buckets[request.key / kStripes % kBuckets];
  for (Entry* entry = bucket; entry != nullptr; entry = entry->next) {
    if (entry->key == request.key) return *entry;
  }
  std::unique_ptr<Entry> made;
  if (stripe.unused.empty()) {
    stripe.unused.reserve(kKeptEntries);  // now, so that giving one back never allocates
    made = std::make_unique<Entry>();
  } else {
    made = std::move(stripe.unused.back());
    stripe.unused.pop_back();
  }
  Entry* entry = made.release();
  entry->key = request.key;
  entry->limit = &request.limit;
  entry->stripe = &stripe;
  entry->since = request.now;
  entry->held_ns = request.limit.held_ns_.load(std::memory_order_relaxed);
  entry->next = std::exchange(bucket, entry);
  ++stripe.entries;
  return *entry;
}

void PlaceTable::drop_if_unused(Stripe& stripe, Entry& entry) {
  if (entry.held > 0 || entry.waiting() > 0) return;
  if (entry.held_ns != entry.limit->held_ns_.load(std::memory_order_relaxed)) {
    entry.limit->held_ns_.store(entry.held_ns, std::memory_order_relaxed);
  }
  Entry** link = &stripe.buckets[entry.key / kStripes % kBuckets];
  while (*link != &entry) link = &(*link)->next;
  *link = entry.next;
  --stripe.entries;
  std::unique_ptr<Entry> unused(&entry);
  if (stripe.unused.size() < kKeptEntries) stripe.unused.push_back(std::move(unused));
}

// Places become free `requests` times as often as one is held; whoever comes now is behind all that wait. While none
// was given back, the first tells at least how long it has been held.
seconds PlaceTable::retry_after(const Entry& entry, MonotonicTime now) {
  double held_ns = static_cast<double>(entry.held_ns != 0 ? entry.held_ns : (now - entry.since).count());
  double turns = static_cast<double>(entry.waiting() + 1) / entry.limit->requests();
  double wait_ns = std::min(held_ns * turns, static_cast<double>(nanoseconds(kMostRetryAfter).count()));
  return std::max(kLeastRetryAfter, std::chrono::ceil<seconds>(nanoseconds(static_cast<std::int64_t>(wait_ns))));
}

void PlaceTable::grant(Entry& entry, PlaceWaiter*& granted, MonotonicTime now) {
  std::uint32_t most = entry.limit->requests();
  PlaceWaiter** end = &granted;
  while (entry.held < most && entry.waiting() > 0) {
    auto& waiter = static_cast<PlaceWaiter&>(*entry.queue->pop());
    ++entry.held;
    waiter.entry_ = nullptr;
    waiter.place_ = Place(&entry, now);
    *end = &waiter;
    end = &waiter.next_notified_;
  }
}

// From here on a granted waiter may be gone as soon as it was told.
void PlaceTable::notify(PlaceWaiter* waiters) {
  while (waiters != nullptr) {
    PlaceWaiter& waiter = *std::exchange(waiters, waiters->next_notified_);
    waiter.notify_(waiter);
  }
}

// False: the queue does not take it.
bool PlaceTable::queue(Entry& entry, PlaceWaiter& waiter, PlaceWaiter*& displaced) {
  std::uint32_t most = entry.limit->queue();
  if (most == 0) return false;
  if (!entry.queue) entry.queue = std::make_unique<FairQueue>();
  if (entry.queue->size() >= most) {
    QueuedRequest* other = entry.queue->to_displace(waiter.who(), waiter.priority());
    if (other == nullptr) return false;
    displaced = static_cast<PlaceWaiter*>(other);
    entry.queue->remove(*other);
    displaced->entry_ = nullptr;
  }
  waiter.entry_ = &entry;
  waiter.stripe_ = entry.stripe;
  entry.queue->push(waiter);
  return true;
}

PlaceTable::Answer PlaceTable::acquire(const PlaceRequest& request, PlaceWaiter* waiter) {
  Stripe& stripe = stripe_of(request.key);
  PlaceWaiter* to_notify = nullptr;
  PlaceWaiter* displaced = nullptr;
  Answer answer{.outcome = Outcome::full};
  {
    std::lock_guard lock(stripe.mutex);
    Entry& entry = find_or_make(stripe, request);
    grant(entry, to_notify, request.now);  // the numbers may have changed: nobody overtakes those that wait
    if (entry.held < request.limit.requests()) {
      ++entry.held;
      answer = {.outcome = Outcome::granted, .place = Place(&entry, request.now)};
    } else if (waiter != nullptr && queue(entry, *waiter, displaced)) {
      answer.outcome = Outcome::queued;
      if (displaced != nullptr) displaced->retry_after_ = retry_after(entry, request.now);
    } else {
      answer.retry_after = retry_after(entry, request.now);
    }
  }
  notify(to_notify);
  notify(displaced);
  return answer;
}

PlaceTable::Place PlaceTable::acquire_anyway(const PlaceRequest& request, bool& over) {
  Stripe& stripe = stripe_of(request.key);
  std::lock_guard lock(stripe.mutex);
  Entry& entry = find_or_make(stripe, request);
  over = entry.held >= std::uint64_t{request.limit.requests()} + request.limit.queue();
  ++entry.held;
  return Place(&entry, request.now);
}

void PlaceTable::release(const Place& place, MonotonicTime now) {
  Entry& entry = *place.entry_;
  Stripe& stripe = *entry.stripe;
  PlaceWaiter* to_notify = nullptr;
  {
    std::lock_guard lock(stripe.mutex);
    LG_CHECK(entry.held > 0, "a place is given back twice");
    --entry.held;
    std::int64_t held_ns = std::max<std::int64_t>((now - place.since_).count(), 1);
    entry.held_ns = entry.held_ns == 0 ? held_ns : entry.held_ns + (held_ns - entry.held_ns) / 8;
    grant(entry, to_notify, now);
    drop_if_unused(stripe, entry);
  }
  notify(to_notify);
}

PlaceTable::Left PlaceTable::leave(PlaceWaiter& waiter, MonotonicTime now) {
  Stripe& stripe = *waiter.stripe_;
  std::lock_guard lock(stripe.mutex);
  if (waiter.entry_ == nullptr) {
    return {.queued = false, .place = waiter.place_, .retry_after = std::max(waiter.retry_after_, kLeastRetryAfter)};
  }
  Entry& entry = *std::exchange(waiter.entry_, nullptr);
  Left left{.queued = true, .retry_after = retry_after(entry, now)};
  entry.queue->remove(waiter);
  drop_if_unused(stripe, entry);
  return left;
}

void PlaceTable::regrant(MonotonicTime now) {
  for (Stripe& stripe : *stripes_) {
    PlaceWaiter* to_notify = nullptr;
    {
      std::lock_guard lock(stripe.mutex);
      PlaceWaiter** end = &to_notify;
      for (Entry* entry : stripe.buckets) {
        for (; entry != nullptr; entry = entry->next) {
          grant(*entry, *end, now);
          while (*end != nullptr) end = &(*end)->next_notified_;
        }
      }
    }
    notify(to_notify);
  }
}

std::size_t PlaceTable::keys() const {
  std::size_t count = 0;
  for (const Stripe& stripe : *stripes_) {
    std::lock_guard lock(stripe.mutex);
    count += stripe.entries;
  }
  return count;
}

}  // namespace lotagate::limit
