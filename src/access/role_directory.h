// What users may do, or what API keys stand for, as the User Management Service said lately. Shared by all workers:
// striped by key, bounded, critical sections of nanoseconds. It does no I/O: callers are told when to look one up and
// report the answer. What is said here of users holds for API keys too; those are kept under their digests.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "access/access_grant.h"
#include "access/circuit_breaker.h"
#include "base/clock.h"

namespace lotagate::access {

enum class DirectoryState : std::uint8_t {
  fresh,          // visited
  stale,          // visited; somebody else refreshes, or that cannot be done now
  stale_refresh,  // visited; this caller, and no other, starts a look-up behind
  fetch,          // nothing usable; this caller, and no other, starts a look-up; its waiter is queued
  wait,           // nothing usable, a look-up is under way; the waiter is queued
  unavailable,    // nothing usable: the last look-up just failed, the breaker is open, or the bounds are reached
};

// Embedded in whatever waits; must stay put until notified.
struct DirectoryWaiter {
  DirectoryWaiter* next = nullptr;
  // Called exactly once, from whichever thread completes, with no lock held; the waiter then calls find() again.
  void (*notify)(DirectoryWaiter*) noexcept = nullptr;
};

// How a look-up failed.
enum class LookupFailure : std::uint8_t {
  service,    // no answer, or one that says that the service is not well
  answer,     // the service is there, but this answer of it was not understood
  not_asked,  // no request was sent
};

struct RoleDirectorySettings {
  milliseconds fresh_for{5000};    // counted from the arrival of an answer; above 0
  milliseconds stale_for{600000};  // after fresh_for
  milliseconds unknown_for{5000};  // at most fresh_for: the whole time of an answer that the user is unknown
  milliseconds retry_after{500};   // no look-up of a user for this long after one failed
  std::size_t max_entries = 100000;
  std::size_t max_bytes = 64 * 1024 * 1024;  // of memory, at least kMinDirectoryBytes
  // Of one user. Each holds a request's memory, which the bounds on client connections limit.
  std::uint32_t max_waiters = 16384;
  // Look-ups under way: what the service has to bear at once. Users beyond it are unavailable for a moment.
  std::uint32_t max_lookups = 1024;
};

// Room for two of the largest answers in every stripe.
inline constexpr std::size_t kMinDirectoryBytes = 8 * 1024 * 1024;

struct RoleDirectoryStats {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lookups_under_way = 0;
  std::uint64_t fresh = 0;  // answers of find(), by state
  std::uint64_t stale = 0;  // with stale_refresh
  std::uint64_t wait = 0;   // waiters queued, with fetch or wait
  std::uint64_t unavailable = 0;
  std::uint64_t lookups = 0;  // fetch and stale_refresh
  std::uint64_t failures = 0;
  std::uint64_t superseded = 0;  // answers dropped because a change was announced meanwhile
  std::uint64_t evictions = 0;
};

class DirectoryStripe;
struct DirectoryEntry;
struct DirectoryLookup;

class RoleDirectory {
 public:
  // `breaker` is shared by all directories that ask the same service; null: one of its own.
  explicit RoleDirectory(RoleDirectorySettings settings, std::shared_ptr<CircuitBreaker> breaker = nullptr);
  // No look-up may be under way and no waiter queued.
  ~RoleDirectory();
  RoleDirectory(const RoleDirectory&) = delete;
  RoleDirectory& operator=(const RoleDirectory&) = delete;

  // Calls visit(const AccessGrant&) under the stripe's lock for fresh, stale and stale_refresh: it copies what it
  // needs, because the texts are views, and does not call back. After fetch and stale_refresh the caller must report
  // complete() or fail() exactly once. With fetch and wait, `waiter` is queued (unless null).
  template <class Visitor>
  DirectoryState find(std::string_view subject, MonotonicTime now, DirectoryWaiter* waiter, Visitor&& visit) {
    Found found = look(subject, now, waiter);
    if (found.grant != nullptr) std::forward<Visitor>(visit)(found.grant->view());
    return found.state;
  }

  // The answer of the look-up for grant.key(). Dropped when the user was invalidated after the look-up had begun: the
  // answer may be older than the change. Waiters are notified either way.
  void complete(StoredGrant grant, MonotonicTime now);
  // The look-up failed. What is stored stays usable for its stale time; nothing stored means unavailable for a moment.
  void fail(std::string_view subject, MonotonicTime now, LookupFailure failure = LookupFailure::service);

  // A change was announced: what is stored, and what is being looked up, no longer counts.
  void invalidate(std::string_view subject);
  void invalidate_all();

  RoleDirectoryStats stats() const;

 private:
  struct PaddedStripe;
  // Holds the stripe's lock for as long as the grant is looked at.
  struct Found {
    std::unique_lock<std::mutex> lock;
    DirectoryState state;
    const StoredGrant* grant;
  };
  static constexpr std::size_t kStripes = 64;  // many more than workers, so that two seldom meet

  Found look(std::string_view subject, MonotonicTime now, DirectoryWaiter* waiter);
  DirectoryState decide(DirectoryEntry& entry, MonotonicTime now, DirectoryWaiter* waiter);
  bool begin_lookup(DirectoryEntry& entry, MonotonicTime now, std::uint64_t epoch);
  static void count(RoleDirectoryStats& stats, DirectoryState state, bool queued);
  static DirectoryEntry& looked_up(DirectoryStripe& stripe, std::string_view subject, std::uint64_t hash);
  void keep(DirectoryStripe& stripe, DirectoryEntry& entry, StoredGrant& grant, MonotonicTime now);
  void end_lookup(const DirectoryLookup& lookup);
  DirectoryStripe& stripe_of(std::uint64_t hash) const;

  RoleDirectorySettings settings_;
  std::shared_ptr<CircuitBreaker> breaker_;
  std::uint64_t seed_;
  std::atomic<std::uint64_t> epoch_{0};  // raised by invalidate_all: answers asked for in an older one do not count
  std::atomic<std::uint32_t> lookups_under_way_{0};
  std::unique_ptr<PaddedStripe[]> stripes_;
};

}  // namespace lotagate::access
