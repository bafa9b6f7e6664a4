#include "users/change_feed.h"

namespace lotagate::users {
namespace {

using services::Bound;
using services::Database;
using services::Rows;
using services::Transaction;

// A reader further behind than this is told that everything changed.
constexpr std::int64_t kKeptChanges = 10000;
// More names than this in one answer cost the reader more than forgetting everybody does.
constexpr std::size_t kMaxNames = 1000;
// How soon a change that another instance made is noticed. One look-up in an index each time, and only while somebody
// waits; LISTEN would notice sooner, at the price of a connection of its own whose loss must be noticed in turn.
constexpr std::chrono::milliseconds kWatchPause(200);

std::int64_t newest_revision(Transaction& transaction) {
  Rows rows = transaction.query("SELECT max(revision) FROM changes");
  rows.next();
  return rows.integer(0);
}

std::int64_t oldest_revision(Transaction& transaction) {
  Rows rows = transaction.query("SELECT min(revision) FROM changes");
  rows.next();
  return rows.integer(0);
}

// A revision is taken while no other transaction can take one: transact() holds the one lock for changes until the
// commit can be seen. Were it taken beside others, 7 could be committed before 6, a reader that saw 7 would ask what
// comes after it, and never hear of 6.
void append_change(Transaction& transaction, const Bound& subject, const Bound& api_key) {
  std::int64_t revision = 0;
  {
    Rows rows = transaction.query("INSERT INTO changes (subject, api_key) VALUES (?, ?) RETURNING revision",
                                  {subject, api_key});
    rows.next();
    revision = rows.integer(0);
  }
  transaction.run("DELETE FROM changes WHERE revision <= ?", {revision - kKeptChanges});
}

}  // namespace

ChangeFeed::ChangeFeed(Database& database) : database_(database), watcher_([this] { watch(); }) {}

ChangeFeed::~ChangeFeed() {
  stop();
  watcher_.join();
}

void ChangeFeed::append(Transaction& transaction, std::string_view subject) {
  append_change(transaction, subject, nullptr);
}

void ChangeFeed::append_api_key(Transaction& transaction, std::string_view digest) {
  append_change(transaction, nullptr, digest);
}

void ChangeFeed::append_all(Transaction& transaction) { append_change(transaction, nullptr, nullptr); }

void ChangeFeed::announce() {
  {
    std::scoped_lock lock(mutex_);
    ++announcements_;
  }
  announced_.notify_all();
}

std::int64_t ChangeFeed::revision() { return database_.read(newest_revision); }

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
    ++waiting_;
    watched_.notify_one();
    bool in_time = announced_.wait_until(lock, deadline, awoken);
    --waiting_;
    if (!in_time || stopped_) return changes;
  }
}

// Announces what other instances on the same database changed.
void ChangeFeed::watch() {
  std::int64_t known = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    watched_.wait(lock, [this] { return stopped_ || waiting_ > 0; });
    if (watched_.wait_for(lock, kWatchPause, [this] { return stopped_; })) return;
    lock.unlock();
    try {
      std::int64_t newest = revision();
      if (newest != known) announce();
      known = newest;
    } catch (const std::exception&) {
      // Away for now: whoever asks is told so, and the next look may succeed.
    }
    lock.lock();
  }
}

void ChangeFeed::stop() {
  {
    std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  announced_.notify_all();
  watched_.notify_all();
}

Changes ChangeFeed::read_beyond(std::int64_t since) {
  return database_.read([&](Transaction& transaction) {
    Changes changes{.revision = newest_revision(transaction), .all = false, .subjects = {}, .api_keys = {}};
    if (since < oldest_revision(transaction) || since > changes.revision) {
      changes.all = true;
      return changes;
    }
    Rows rows = transaction.query("SELECT DISTINCT subject, api_key FROM changes WHERE revision > ?", {since});
    while (!changes.all && rows.next()) {
      if (!rows.is_null(0)) changes.subjects.push_back(rows.text(0));
      if (!rows.is_null(1)) changes.api_keys.push_back(rows.text(1));
      changes.all =
          (rows.is_null(0) && rows.is_null(1)) || changes.subjects.size() + changes.api_keys.size() > kMaxNames;
    }
    if (changes.all) {
      changes.subjects.clear();
      changes.api_keys.clear();
    }
    return changes;
  });
}

}  // namespace lotagate::users
