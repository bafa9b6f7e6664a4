#include "telemetry/log_writer.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace lotagate::telemetry {
namespace {

// Pause before a failed write is tried again: a full disk does not empty by itself in less.
constexpr milliseconds kRetry{100};
constexpr milliseconds kForEver{-1};

}  // namespace

AccessLog::Writer::Writer(LogSink sink) : sink_(std::move(sink)), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  LG_CHECK(wake_fd_ >= 0, "no descriptor is left for the access log's thread");
}

AccessLog::Writer::~Writer() { close(wake_fd_); }

void AccessLog::Writer::start(const std::vector<std::unique_ptr<Shard>>& shards) {
  shards_ = &shards;
  // Signals belong to other threads; a blocked SIGPIPE leaves a write to a closed pipe with its error.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "access-log");
}

void AccessLog::Writer::stop() noexcept {
  stop_deadline_ = (Clock::now() + kFinalFlush).time_since_epoch().count();
  stop_asked_ = true;
  wake();
  thread_.join();
}

void AccessLog::Writer::reopen() noexcept {
  reopen_asked_ = true;
  wake();
}

void AccessLog::Writer::line_added(bool urgent) noexcept {
  State state = state_.load(std::memory_order_seq_cst);
  if (state == State::busy || (state == State::collecting && !urgent)) return;
  if (state_.compare_exchange_strong(state, State::busy)) wake();  // one of the workers calls, once
}

void AccessLog::Writer::add_stats(AccessLogStats& sum) const noexcept {
  sum.written_bytes += written_bytes_.load(std::memory_order_relaxed);
  sum.write_errors += write_errors_.load(std::memory_order_relaxed);
}

void AccessLog::Writer::run() noexcept {
  while (true) {
    if (reopen_asked_.exchange(false)) reopen_sink();
    const bool stopping = stop_asked_;
    const Drained drained = drain();
    if (stopping) {
      const bool late = Clock::now().time_since_epoch().count() >= stop_deadline_;
      if (late || drained == Drained::nothing || drained == Drained::failed) return;
    }
    wait_after(drained);
  }
}

// A line that was cut in two by a full disk or pipe must not continue in another file: its rest is left out.
void AccessLog::Writer::reopen_sink() noexcept {
  if (!sink_.reopen()) {
    write_errors_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (!mid_line_) return;
  Shard& shard = *(*shards_)[current_];
  const std::string_view rest = shard.readable();
  shard.consume(rest.find('\n') + 1);
  mid_line_ = false;
  write_errors_.fetch_add(1, std::memory_order_relaxed);
}

// One round over the shards, beginning with the one that may be in the middle of a line.
AccessLog::Writer::Drained AccessLog::Writer::drain() noexcept {
  Drained result = Drained::nothing;
  for (std::size_t i = 0; i < shards_->size(); ++i) {
    const Drained one = drain_segment(*(*shards_)[current_]);
    if (one == Drained::would_block || one == Drained::failed) return one;
    if (one == Drained::something) result = one;
    current_ = (current_ + 1) % shards_->size();
  }
  return result;
}

// Writes what the shard holds now up to the end of its ring's memory, which is always the end of a line.
AccessLog::Writer::Drained AccessLog::Writer::drain_segment(Shard& shard) noexcept {
  std::string_view lines = shard.readable();
  if (lines.empty()) return Drained::nothing;
  while (!lines.empty()) {
    const LogSink::Written written = sink_.write(lines);
    if (written.outcome == LogSink::Outcome::would_block) return Drained::would_block;
    if (written.outcome == LogSink::Outcome::failed) {
      write_errors_.fetch_add(1, std::memory_order_relaxed);
      return Drained::failed;
    }
    if (written.bytes == 0) continue;
    mid_line_ = lines[written.bytes - 1] != '\n';
    lines.remove_prefix(written.bytes);
    shard.consume(written.bytes);
    written_bytes_.fetch_add(written.bytes, std::memory_order_relaxed);
    if (stop_asked_ && Clock::now().time_since_epoch().count() >= stop_deadline_) break;
  }
  return Drained::something;
}

void AccessLog::Writer::wait_after(Drained drained) noexcept {
  switch (drained) {
    case Drained::nothing:
      state_.store(State::sleeping, std::memory_order_seq_cst);
      if (!any_line()) wait(false, kForEver);  // stop and reopen wake it through the eventfd, whenever they come
      break;
    case Drained::something:
      state_.store(State::collecting, std::memory_order_seq_cst);
      if (!stop_asked_) wait(false, kCollect);
      break;
    case Drained::would_block: wait(true, kCollect); break;
    case Drained::failed: wait(false, kRetry); break;
  }
  state_.store(State::busy, std::memory_order_seq_cst);
}

bool AccessLog::Writer::any_line() noexcept {
  return std::any_of(shards_->begin(), shards_->end(), [](const auto& shard) { return !shard->readable().empty(); });
}

void AccessLog::Writer::wake() noexcept {
  const std::uint64_t one = 1;
  // Can only fail when the counter is full, and then the thread is awake.
  [[maybe_unused]] ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

void AccessLog::Writer::wait(bool for_sink, milliseconds timeout) noexcept {
  std::array<pollfd, 2> waiting{{{wake_fd_, POLLIN, 0}, {sink_.fd(), POLLOUT, 0}}};
  poll(waiting.data(), for_sink ? 2 : 1, static_cast<int>(timeout.count()));
  std::uint64_t wakes = 0;
  [[maybe_unused]] ssize_t taken = ::read(wake_fd_, &wakes, sizeof wakes);
}

}  // namespace lotagate::telemetry
