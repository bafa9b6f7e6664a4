#include "telemetry/access_log.h"

#include <algorithm>
#include <utility>

#include "telemetry/log_sink.h"
#include "telemetry/log_writer.h"

namespace lotagate::telemetry {

std::expected<std::unique_ptr<AccessLog>, std::string> AccessLog::open(const AccessLogOptions& options) {
  std::unique_ptr<AccessLog> log(new AccessLog());
  if (!options.file.empty()) {
    auto sink = LogSink::open(options.file);
    if (!sink) return std::unexpected(std::move(sink.error()));
    log->writer_ = std::make_unique<Writer>(std::move(*sink));
  }
  const std::size_t ring_bytes = log->writer_ ? std::max(options.buffer_bytes, kMinLogBufferBytes) : 0;
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    log->shards_.emplace_back(new Shard(ring_bytes, log->writer_.get()));
  }
  if (log->writer_) log->writer_->start(log->shards_);
  return log;
}

AccessLog::AccessLog() = default;

AccessLog::~AccessLog() {
  if (writer_) writer_->stop();
}

void AccessLog::reopen() noexcept {
  if (writer_) writer_->reopen();
}

AccessLogStats AccessLog::stats() const noexcept {
  AccessLogStats sum;
  for (const auto& shard : shards_) {
    sum.lines += shard->lines_.load(std::memory_order_relaxed);
    sum.dropped_lines += shard->dropped_lines_.load(std::memory_order_relaxed);
    sum.dropped_bytes += shard->dropped_bytes_.load(std::memory_order_relaxed);
  }
  if (writer_) writer_->add_stats(sum);
  return sum;
}

AccessLog::Shard::Shard(std::size_t ring_bytes, Writer* writer)
    : ring_bytes_(ring_bytes),
      ring_(writer == nullptr ? nullptr : std::make_unique_for_overwrite<char[]>(ring_bytes + kMaxLineBytes)),
      writer_(writer) {}

void AccessLog::Shard::write(const RequestRecord& record) noexcept {
  if (writer_ == nullptr) return;
  auto add = [](std::atomic<std::uint64_t>& count, std::uint64_t n) {
    count.store(count.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  };
  if (!has_room()) {
    char* const line = ring_.get() + ring_bytes_;
    add(dropped_lines_, 1);
    add(dropped_bytes_, static_cast<std::uint64_t>(formatter_.format(line, record) - line));
    return;
  }
  char* const line = ring_.get() + start_;
  const auto bytes = static_cast<std::size_t>(formatter_.format(line, record) - line);
  add(lines_, 1);
  // Sequentially consistent with the look at the writer's state that follows: either this sees that it sleeps, or it
  // sees the line when it looks once more before it sleeps.
  write_.store(start_ + bytes, std::memory_order_seq_cst);
  if (used(read_seen_) > ring_bytes_ / 2) read_seen_ = read_.load(std::memory_order_acquire);
  writer_->line_added(used(read_seen_) > ring_bytes_ / 2);
}

// Finds the place for one more line of any length and sets start_. An old read_seen_ only makes the room look smaller.
bool AccessLog::Shard::has_room() noexcept {
  for (int look = 0; look < 2; ++look) {
    const std::size_t write = write_.load(std::memory_order_relaxed);
    start_ = write;
    if (write < read_seen_) {
      if (read_seen_ - write > kMaxLineBytes) return true;  // one byte stays free: equal offsets mean empty
    } else if (ring_bytes_ - write >= kMaxLineBytes) {
      return true;
    } else if (read_seen_ > kMaxLineBytes) {
      end_.store(write, std::memory_order_relaxed);  // published with write_
      start_ = 0;
      return true;
    }
    read_seen_ = read_.load(std::memory_order_acquire);
  }
  return false;
}

std::size_t AccessLog::Shard::used(std::size_t read) const noexcept {
  const std::size_t write = write_.load(std::memory_order_relaxed);
  return write >= read ? write - read : ring_bytes_ - read + write;
}

std::string_view AccessLog::Shard::readable() noexcept {
  const std::size_t write = write_.load(std::memory_order_seq_cst);
  std::size_t read = read_.load(std::memory_order_relaxed);
  if (write >= read) return {ring_.get() + read, write - read};
  const std::size_t end = end_.load(std::memory_order_relaxed);
  if (read < end) return {ring_.get() + read, end - read};
  read_.store(0, std::memory_order_release);
  return {ring_.get(), write};
}

void AccessLog::Shard::consume(std::size_t bytes) noexcept {
  read_.store(read_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
}

}  // namespace lotagate::telemetry
