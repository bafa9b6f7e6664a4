// The access log: workers format lines into rings of their own, one thread writes them out. A full disk, a slow pipe
// or a stopped reader costs lines, which are counted, and never holds up a request.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "telemetry/json_line.h"
#include "telemetry/record.h"

namespace lotagate::telemetry {

struct AccessLogOptions {
  std::string file = "-";                               // "-": standard output; empty: no log at all
  std::size_t buffer_bytes = std::size_t{1024} * 1024;  // per worker; at least kMinLogBufferBytes is used
  std::uint32_t workers = 1;
};

inline constexpr std::size_t kMinLogBufferBytes = 8 * kMaxLineBytes;

struct AccessLogStats {
  std::uint64_t lines = 0;          // accepted; together with dropped_lines as many as there were records
  std::uint64_t dropped_lines = 0;  // the ring was full
  std::uint64_t dropped_bytes = 0;  // of those
  std::uint64_t written_bytes = 0;
  std::uint64_t write_errors = 0;  // failed writes, which are tried again; failed reopens; lines cut in two by a reopen
};

class AccessLog {
 public:
  class Shard;

  // Opens the file (append, created with mode 0640) and starts the thread. The error is a message that names the file.
  static std::expected<std::unique_ptr<AccessLog>, std::string> open(const AccessLogOptions& options);

  // Writes out what is buffered for at most kFinalFlush, then stops; the workers must have stopped writing. Only a
  // regular file on a file system that hangs can hold it longer.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // The shard of worker `index`, below options.workers; lives as long as the log. One thread writes to it.
  Shard& shard(std::uint32_t index) noexcept { return *shards_[index]; }

  // After a rotation: lines written from now on go to a newly opened file of the same name. Returns at once, any
  // thread. If the file cannot be opened the old one stays in use and write_errors counts it. Nothing for "-".
  void reopen() noexcept;

  // Sums of all shards at this moment; any thread.
  AccessLogStats stats() const noexcept;

  // A line is written at once if none was written this long before, else within this time, as long as the file takes
  // it.
  static constexpr milliseconds kCollect{100};
  static constexpr milliseconds kFinalFlush{1000};

 private:
  class Writer;

  AccessLog();
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<Writer> writer_;  // null: no log. After the shards, so that its thread ends before they go
};

// The ring of one worker: the worker produces whole lines, the log's thread consumes bytes. Lines are contiguous: where
// the next one might not fit before the end of the memory, the rest is left out and it starts at the beginning.
class AccessLog::Shard {
 public:
  // Formats the record and lets the writer see it; drops and counts it when the ring is full. Never blocks and never
  // allocates; no further call is needed for the line to appear. Wakes the writer (one system call) only when it sleeps
  // for lack of lines or the ring became half full.
  void write(const RequestRecord& record) noexcept;

 private:
  friend class AccessLog;
  friend class AccessLog::Writer;

  Shard(std::size_t ring_bytes, Writer* writer);
  bool has_room() noexcept;
  std::size_t used(std::size_t read) const noexcept;
  // The next bytes to write out, empty if there are none; and their release. Consumer only.
  std::string_view readable() noexcept;
  void consume(std::size_t bytes) noexcept;

  const std::size_t ring_bytes_;
  const std::unique_ptr<char[]> ring_;  // and room for one line that is only measured, because it is dropped
  Writer* const writer_;                // null: no log

  // Written by the producer. Offsets into the ring: data is [read, write), or [read, end_) and [0, write) if write <
  // read.
  alignas(64) std::atomic<std::size_t> write_{0};
  std::atomic<std::size_t> end_{0};
  std::size_t start_ = 0;      // of the line being written
  std::size_t read_seen_ = 0;  // last look at read_, which moves on only
  LineFormatter formatter_;
  std::atomic<std::uint64_t> lines_{0};
  std::atomic<std::uint64_t> dropped_lines_{0};
  std::atomic<std::uint64_t> dropped_bytes_{0};

  // Written by the consumer.
  alignas(64) std::atomic<std::size_t> read_{0};
};

}  // namespace lotagate::telemetry
