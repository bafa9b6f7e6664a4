// Several workers on one directory, with changes announced meanwhile. Meant to run under TSan as well.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "access/role_directory.h"

namespace lotagate::access {
namespace {

using enum DirectoryState;

struct BlockingWaiter : DirectoryWaiter {
  BlockingWaiter() {
    notify = [](DirectoryWaiter* waiter) noexcept { static_cast<BlockingWaiter*>(waiter)->notified.release(); };
  }
  std::binary_semaphore notified{0};
};

constexpr int kUsers = 20;
constexpr int kWorkers = 4;
constexpr int kRounds = 3000;

// The service: what it knows of each user is a revision that only grows. A change is made first (`current`), then
// announced to the directory, and then counted as announced.
struct Service {
  std::array<std::atomic<std::uint64_t>, kUsers> current{};
  std::array<std::atomic<std::uint64_t>, kUsers> announced{};
  std::array<std::atomic<int>, kUsers> lookups_under_way{};
};

class Worker {
 public:
  Worker(RoleDirectory& directory, Service& service, unsigned seed)
      : directory_(directory), service_(service), random_(seed) {}

  void run() {
    for (int i = 0; i < kRounds; ++i) {
      auto user = static_cast<std::size_t>(next_random() % kUsers);
      MonotonicTime now{milliseconds(i)};
      request(user, now);
    }
  }

 private:
  void request(std::size_t user, MonotonicTime now) {
    std::string subject = "user-" + std::to_string(user);
    std::uint64_t at_least = service_.announced[user].load();  // what this request must see, or later
    while (true) {
      BlockingWaiter waiter;
      std::uint64_t seen = 0;
      auto state = directory_.find(subject, now, &waiter, [&](const AccessGrant& grant) { seen = grant.revision; });
      if (state == fetch || state == stale_refresh) look_up(user, subject, now);
      if (state == fetch || state == wait) {
        waiter.notified.acquire();
        continue;
      }
      if (state != unavailable) {
        ASSERT_GE(seen, at_least);
      }
      return;
    }
  }

  void look_up(std::size_t user, const std::string& subject, MonotonicTime now) {
    ASSERT_EQ(service_.lookups_under_way[user].fetch_add(1), 0) << "two look-ups of one user";
    StoredGrant grant(subject, {.subject = subject, .revision = service_.current[user].load()});
    std::this_thread::yield();  // leaves others time to wait for this answer, and changes to overtake it
    bool fails = next_random() % 16 == 0;
    service_.lookups_under_way[user].fetch_sub(1);
    if (fails) {
      directory_.fail(subject, now);
    } else {
      directory_.complete(std::move(grant), now);
    }
  }

  std::uint32_t next_random() { return random_ = random_ * 1664525 + 1013904223, random_ >> 8; }

  RoleDirectory& directory_;
  Service& service_;
  std::uint32_t random_;
};

TEST(RoleDirectoryThreads, EveryWaiterIsWokenAndNoOldAnswerIsSeenAfterAChange) {
  RoleDirectory directory({.fresh_for = milliseconds(3),
                           .stale_for = milliseconds(20),
                           .retry_after = milliseconds(2),
                           .max_entries = 64 * kUsers});
  Service service;
  std::atomic<bool> done{false};
  std::thread announcer([&] {
    for (std::size_t i = 0; !done; ++i) {
      std::size_t user = i % kUsers;
      std::uint64_t revision = ++service.current[user];
      if (i % 50 == 0) {
        directory.invalidate_all();
      } else {
        directory.invalidate("user-" + std::to_string(user));
      }
      service.announced[user] = revision;
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&, i] { Worker(directory, service, i + 1).run(); });
  }
  for (auto& worker : workers) worker.join();
  done = true;
  announcer.join();
  EXPECT_LE(directory.stats().entries, static_cast<std::uint64_t>(kUsers));
}

}  // namespace
}  // namespace lotagate::access
