#include "limit/lease_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include "limit/lease_script.h"

namespace lotagate::limit {
namespace {

std::string random_name() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}", device(), device(), device());
}

// Signals belong to other threads; a blocked SIGPIPE leaves a write to a closed connection with its error.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

LeaseKeeper::LeaseKeeper(StoreSettings settings, StoreHooks hooks, LeaseTable& table, LeaseQueue& queue)
    : table_(table), queue_(queue), hooks_(std::move(hooks)), gateway_(random_name()), settings_(std::move(settings)) {
  life_ns_ = static_cast<std::uint64_t>(nanoseconds(settings_.lease_life).count());
  store_.emplace(settings_);
  thread_ = std::thread([this] { run(); });
}

LeaseKeeper::~LeaseKeeper() {
  stopping_ = true;
  queue_.wake();
  thread_.join();
}

LeaseView LeaseKeeper::view() const noexcept {
  return {.up = up_.load(std::memory_order_acquire),
          .gateways = gateways_.load(std::memory_order_relaxed),
          .connection = connection_.load(std::memory_order_relaxed),
          .life_ns = life_ns_.load(std::memory_order_relaxed)};
}

void LeaseKeeper::wait_for_first_answer(milliseconds most) {
  std::unique_lock lock(mutex_);
  first_answer_.wait_for(lock, most, [this] { return answered_; });
}

void LeaseKeeper::reconfigure(StoreSettings settings) {
  {
    std::lock_guard lock(mutex_);
    new_settings_ = std::move(settings);
  }
  queue_.wake();
}

void LeaseKeeper::report(StoreStats& stats) const {
  std::lock_guard lock(mutex_);
  stats = stats_;
  stats.connected = up_;
  stats.live_gateways = gateways_;
  if (last_success_ != MonotonicTime{}) stats.since_last_success = hooks_.clock() - last_success_;
}

std::uint64_t LeaseKeeper::now_ns() const { return bucket_clock_ns(hooks_.clock()); }

void LeaseKeeper::run() {
  block_signals();
  while (!stopping_) turn();
  if (up_) release_all();
}

void LeaseKeeper::turn() {
  apply_settings();
  const MonotonicTime now = hooks_.clock();
  if (!up_) {
    if (now >= probe_at_) {
      try_open();
    } else {
      queue_.wait(probe_at_ - now);
    }
    return;
  }
  if (now >= beat_at_) {
    std::string error;
    if (!beat(false, error)) return go_away(error);
    beat_at_ = now + settings_.heartbeat_every;
  }
  if (now >= sweep_at_) {
    sweep();
    sweep_at_ = now + kSweepEvery;
  }
  collect();
  if (!requests_.empty()) return run_batch();
  MonotonicTime next = std::min(beat_at_, table_.occupied() > 0 ? sweep_at_ : beat_at_);
  if (!timers_.empty()) next = std::min(next, MonotonicTime(nanoseconds(timers_.top().at_ns)));
  const nanoseconds left = next - hooks_.clock();
  if (left > nanoseconds(0)) queue_.wait(left);
}

void LeaseKeeper::apply_settings() {
  std::lock_guard lock(mutex_);
  auto wanted = std::exchange(new_settings_, std::nullopt);
  if (!wanted || *wanted == settings_) return;
  settings_ = std::move(*wanted);
  earlier_.ok += store_->counters().ok;
  earlier_.failed += store_->counters().failed;
  earlier_.timed_out += store_->counters().timed_out;
  earlier_.round_trips += store_->counters().round_trips;
  store_.emplace(settings_);
  life_ns_ = static_cast<std::uint64_t>(nanoseconds(settings_.lease_life).count());
  fewer_since_ = {};
  up_ = false;
  probe_at_ = {};
}

void LeaseKeeper::try_open() {
  const MonotonicTime now = hooks_.clock();
  auto opened = store_->open(now);
  std::string error = opened ? std::string() : opened.error();
  if (opened && beat(false, error)) {
    beat_at_ = now + settings_.heartbeat_every;
    come_back();
  } else {
    go_away(error);
  }
  std::lock_guard lock(mutex_);
  answered_ = true;
  first_answer_.notify_all();
}

void LeaseKeeper::go_away(const std::string& why) {
  const MonotonicTime now = hooks_.clock();
  // The first time at once, before anybody is told: perhaps it only restarted.
  const bool first = up_.exchange(false);
  store_->close();
  fewer_since_ = {};  // seen by a store that may be another one, or empty, when it is back
  if (first) away_since_ = now;
  probe_at_ = first ? now : now + settings_.probe_every;
  {
    std::lock_guard lock(mutex_);
    stats_.last_error = why;
    if (!first && !announced_) ++stats_.times_lost;
  }
  if (!first && !std::exchange(announced_, true)) {
    if (away_since_ == MonotonicTime{}) away_since_ = now;
    hooks_.log(true, fmt::format("limit store is away ({}): shared limits go by their on_store_failure", why));
  }
  publish();
}

void LeaseKeeper::come_back() {
  connection_.fetch_add(1);
  up_.store(true, std::memory_order_release);
  next_set_ = 0;
  sweep_whole_ = true;  // what was spent meanwhile is charged before others lease it
  sweep_at_ = {};
  if (std::exchange(announced_, false)) {
    const auto away = std::chrono::duration_cast<milliseconds>(hooks_.clock() - away_since_);
    hooks_.log(false, fmt::format("limit store {} is back after {} ms", store_->server(), away.count()));
  }
  publish();
}

// Also the proof that the store can be written, so an error about this key is one about the store: without it each
// gateway would believe to be alone. In a cluster the loss of the server that counts gateways is no more than that.
bool LeaseKeeper::beat(bool leave, std::string& error) {
  std::vector<StoreRequest> request(1);
  request[0].script = &gateways_script();
  request[0].key = gateways_key(settings_.prefix);
  request[0].arguments = gateways_arguments(gateway_, settings_.gateway_life, leave);
  auto done = store_->run(request, hooks_.clock());
  if (std::exchange(losses_, store_->losses()) != store_->losses()) connection_.fetch_add(1);
  if (!done) {
    error = done.error();
    return false;
  }
  const StoreRequest::Outcome outcome = request[0].outcome;
  const std::int64_t seen = outcome == StoreRequest::Outcome::answered ? request[0].reply.integer() : 0;
  if (seen > 0) {
    count_gateways(static_cast<std::uint32_t>(std::min<std::int64_t>(seen, 100'000)));
  } else if (outcome == StoreRequest::Outcome::answered && !leave) {
    error = "the answer is none of our script's";
    return false;
  } else if (outcome == StoreRequest::Outcome::refused || !store_->is_cluster()) {
    error = store_->failure();
    return false;
  }
  publish();
  return true;
}

// More at once, fewer only when they have stayed fewer: a store that was emptied sees everybody again first.
void LeaseKeeper::count_gateways(std::uint32_t seen) {
  const MonotonicTime now = hooks_.clock();
  if (seen >= gateways_) {
    gateways_ = seen;
    fewer_since_ = {};
  } else if (fewer_since_ == MonotonicTime{}) {
    fewer_since_ = now;
  } else if (now - fewer_since_ > settings_.gateway_life) {
    gateways_ = seen;
    fewer_since_ = {};
  }
}

void LeaseKeeper::sweep() {
  const bool whole = std::exchange(sweep_whole_, false);
  const std::size_t end = whole ? table_.sets() : std::min(next_set_ + table_.sets() / kSweeps + 1, table_.sets());
  const LeaseView now_view = view();
  const std::uint64_t now = now_ns();
  std::size_t looked_at = 0;
  for (next_set_ = table_.next_used(next_set_); next_set_ < end; next_set_ = table_.next_used(next_set_ + 1)) {
    if (++looked_at > kMostSetsOfASweep && !whole) break;
    table_.visit_set(next_set_, [&](std::uint64_t key, Lease& lease) {
      if (lease_is_idle(lease, now)) return false;
      note(lease, now);
      if (!lease.queued && !lease.in_flight && lease_due_ns(lease, now_view, now) <= now)
        lease.queued = queue_.push(key);
      return true;
    });
  }
  if (next_set_ < table_.sets()) return;
  next_set_ = 0;
  publish_held();
}

void LeaseKeeper::note(const Lease& lease, std::uint64_t now_ns) {
  held_.tokens += lease.old_tokens + lease.fresh_tokens;
  held_.owed += lease.owed + lease.charging;
  Held::Kind& kind = held_.kinds[lease.policy->bucket.kind % BucketTable::kMaxKinds];
  ++kind.keys;
  for (auto [tokens, since_ns] :
       {std::pair{lease.old_tokens, lease.old_since_ns}, {lease.fresh_tokens, lease.fresh_since_ns}}) {
    if (tokens > 0) kind.oldest_ns = std::max(kind.oldest_ns, now_ns - std::min(now_ns, since_ns));
  }
}

void LeaseKeeper::publish_held() {
  std::uint64_t oldest_ns = 0;
  for (std::size_t i = 0; i < held_.kinds.size(); ++i) {
    table_.kinds()[i].keys.store(held_.kinds[i].keys, std::memory_order_relaxed);
    table_.kinds()[i].oldest_ns.store(held_.kinds[i].oldest_ns, std::memory_order_relaxed);
    oldest_ns = std::max(oldest_ns, held_.kinds[i].oldest_ns);
  }
  {
    std::lock_guard lock(mutex_);
    stats_.tokens_held = held_.tokens;
    stats_.tokens_owed = held_.owed;
    stats_.oldest_lease = nanoseconds(static_cast<nanoseconds::rep>(oldest_ns));
  }
  held_ = {};
}

void LeaseKeeper::collect() {
  const std::uint64_t now = now_ns();
  while (!timers_.empty() && timers_.top().at_ns <= now && requests_.size() < kBatch) {
    const Timer timer = timers_.top();
    timers_.pop();
    look_at(timer.key, timer.is_far);
  }
  keys_.clear();
  queue_.pop(keys_, kBatch - requests_.size());
  for (const std::uint64_t key : keys_) look_at(key, false);
}

void LeaseKeeper::look_at(std::uint64_t key, bool is_far) {
  LeaseTable::Locked found = table_.find(key);
  if (found.lease == nullptr) return;
  Lease& lease = *found.lease;
  (is_far ? lease.timed : lease.queued) = false;
  if (lease.in_flight) return;
  const LeaseView now_view = view();
  const std::uint64_t now = now_ns();
  if (lease_due_ns(lease, now_view, now) > now) return set_timer(lease, key, now);
  const LeaseCall call = lease_begin(lease, key, now_view, now, false);
  lease.queued = true;
  found.lock.unlock();
  add(call);
}

void LeaseKeeper::add(const LeaseCall& call) {
  calls_.push_back(call);
  requests_.push_back(
      {.script = &lease_script(), .key = lease_key(settings_.prefix, call), .arguments = lease_arguments(call)});
}

// What is due later waits for its time; else the next take that wants something queues it again. While one waits long,
// a charge may still be queued.
void LeaseKeeper::set_timer(Lease& lease, std::uint64_t key, std::uint64_t now) {
  const std::uint64_t due = lease_due_ns(lease, view(), now);
  if (due == kNotDue) return;
  const bool is_far = due > now + 2 * kAskEveryNs;
  if (std::exchange(is_far ? lease.timed : lease.queued, true)) return;
  timers_.push({.at_ns = std::max(due, now), .key = key, .is_far = is_far});
}

void LeaseKeeper::run_batch() {
  auto done = store_->run(requests_, hooks_.clock());
  for (std::size_t i = 0; i < requests_.size(); ++i) finish(i, !done);
  requests_.clear();
  calls_.clear();
  // What is remembered counts from now on: the next answer may be from a copy that lags behind.
  if (std::exchange(losses_, store_->losses()) != store_->losses()) connection_.fetch_add(1);
  if (!done) go_away(done.error());
  publish();
}

void LeaseKeeper::finish(std::size_t index, bool store_failed) {
  const StoreRequest& request = requests_[index];
  const LeaseCall& call = calls_[index];
  kind_of(table_.kinds(), call.policy->bucket).calls.fetch_add(1, std::memory_order_relaxed);
  LeaseTable::Locked found = table_.find(call.key);
  if (found.lease == nullptr) return;
  const std::uint64_t now = now_ns();
  std::optional<LeaseAnswer> answer;
  if (request.outcome == StoreRequest::Outcome::answered) answer = parse_lease_answer(request.reply);
  if (answer) {
    lease_answered(*found.lease, call, *answer, view(), now);
  } else {
    lease_failed(*found.lease, call, request.outcome == StoreRequest::Outcome::lost, !store_failed);
  }
  found.lease->queued = false;
  set_timer(*found.lease, call.key, now);
}

void LeaseKeeper::release_all() {
  const MonotonicTime end = hooks_.clock() + 10 * settings_.timeout;
  for (std::size_t set = 0; set < table_.sets() && hooks_.clock() < end;) {
    for (set = table_.next_used(set); set < table_.sets() && requests_.size() < kBatch;
         set = table_.next_used(set + 1)) {
      table_.visit_set(set, [&](std::uint64_t key, Lease& lease) {
        if (lease.old_tokens + lease.fresh_tokens + lease.owed + lease.refund > 0) {
          add(lease_begin(lease, key, view(), now_ns(), true));
        }
        return true;
      });
    }
    const bool failed = !requests_.empty() && !store_->run(requests_, hooks_.clock());
    requests_.clear();
    calls_.clear();
    if (failed) return;
  }
  std::string error;
  beat(true, error);
}

void LeaseKeeper::publish() {
  const StoreCounters& counters = store_->counters();
  std::lock_guard lock(mutex_);
  if (earlier_.ok + counters.ok > stats_.calls_ok) last_success_ = hooks_.clock();
  stats_.calls_ok = earlier_.ok + counters.ok;
  stats_.calls_failed = earlier_.failed + counters.failed;
  stats_.calls_timed_out = earlier_.timed_out + counters.timed_out;
  stats_.round_trips = earlier_.round_trips + counters.round_trips;
}

}  // namespace lotagate::limit
