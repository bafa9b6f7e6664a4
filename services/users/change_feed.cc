#include "users/change_feed.h"

namespace lotagate::users {
namespace {

using services::Transaction;

// A reader further behind than this is told that everything changed.
constexpr std::int64_t kKeptChanges = 10000;
// More subjects than this in one answer cost the reader more than forgetting everybody does.
constexpr std::size_t kMaxSubjects = 1000;

std::int64_t newest_revision(Transaction& transaction) {
  auto rows = transaction.query("SELECT max(revision) FROM changes");
  rows.next();
  return rows.integer(0);
}

std::int64_t oldest_revision(Transaction& transaction) {
  auto rows = transaction.query("SELECT min(revision) FROM changes");
  rows.next();
  return rows.integer(0);
}

}  // namespace

void ChangeFeed::append(Transaction& transaction, std::string_view subject) {
  transaction.run("INSERT INTO changes (subject) VALUES (?)", {subject});
  transaction.run("DELETE FROM changes WHERE revision <= ?", {transaction.last_row_id() - kKeptChanges});
}

void ChangeFeed::announce() {
  {
    std::scoped_lock lock(mutex_);
    ++announcements_;
  }
  announced_.notify_all();
}

std::int64_t ChangeFeed::revision() {
  Transaction transaction(database_);
  return newest_revision(transaction);
}

Changes ChangeFeed::wait_beyond(std::int64_t since, std::chrono::milliseconds time) {
  auto deadline = std::chrono::steady_clock::now() + time;
  while (true) {
    std::uint64_t seen = 0;
    {
      std::scoped_lock lock(mutex_);
      seen = announcements_;
    }
    // Read after noting the count: a change that this reading misses raises the count and ends the wait below.
    Changes changes = read_beyond(since);
    if (changes.all || changes.revision != since) return changes;

    std::unique_lock lock(mutex_);
    auto awoken = [&] { return stopped_ || announcements_ != seen; };
    if (!announced_.wait_until(lock, deadline, awoken) || stopped_) return changes;
  }
}

void ChangeFeed::stop() {
  {
    std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  announced_.notify_all();
}

Changes ChangeFeed::read_beyond(std::int64_t since) {
  Transaction transaction(database_);
  Changes changes{.revision = newest_revision(transaction), .all = false, .subjects = {}};
  if (since < oldest_revision(transaction) || since > changes.revision) {
    changes.all = true;
    return changes;
  }
  auto rows = transaction.query("SELECT DISTINCT subject FROM changes WHERE revision > ?", {since});
  while (!changes.all && rows.next()) {
    changes.subjects.push_back(rows.text(0));
    changes.all = rows.is_null(0) || changes.subjects.size() > kMaxSubjects;
  }
  if (changes.all) changes.subjects.clear();
  return changes;
}

}  // namespace lotagate::users
