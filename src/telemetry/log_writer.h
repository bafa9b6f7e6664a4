// The thread that writes the access log: private to access_log.cc and log_writer.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "telemetry/access_log.h"
#include "telemetry/log_sink.h"

namespace lotagate::telemetry {

// start() and stop() are called once each, by the log's owner; line_added() by workers; the rest by its own thread.
class AccessLog::Writer {
 public:
  explicit Writer(LogSink sink);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // `shards` must stay as they are until stop() returns.
  void start(const std::vector<std::unique_ptr<Shard>>& shards);
  void stop() noexcept;
  void reopen() noexcept;
  // A worker has published a line; `urgent`: its ring is more than half full.
  void line_added(bool urgent) noexcept;
  void add_stats(AccessLogStats& sum) const noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  // What the thread is waiting for, so that workers know when it needs a call.
  enum class State : std::uint8_t {
    busy,        // writing, or waiting for the file: comes back by itself
    collecting,  // waiting a little for more lines: woken only when a ring fills up
    sleeping,    // no lines at all: woken by the first
  };
  enum class Drained : std::uint8_t { nothing, something, would_block, failed };

  void run() noexcept;
  void reopen_sink() noexcept;
  Drained drain() noexcept;
  Drained drain_segment(Shard& shard) noexcept;
  void wait_after(Drained drained) noexcept;
  bool any_line() noexcept;
  void wake() noexcept;
  // Waits for a wake-up, for the sink if `for_sink`, or for the time to pass; without `timeout` for ever.
  void wait(bool for_sink, std::chrono::milliseconds timeout) noexcept;

  LogSink sink_;
  const int wake_fd_;  // eventfd
  const std::vector<std::unique_ptr<Shard>>* shards_ = nullptr;
  std::size_t current_ = 0;  // the shard whose lines are being written
  bool mid_line_ = false;    // the sink has the beginning of a line of it, not its end
  std::atomic<State> state_{State::busy};
  std::atomic<bool> reopen_asked_{false};
  std::atomic<bool> stop_asked_{false};
  std::atomic<Clock::rep> stop_deadline_{0};
  std::atomic<std::uint64_t> written_bytes_{0};
  std::atomic<std::uint64_t> write_errors_{0};
  std::thread thread_;
};

}  // namespace lotagate::telemetry
