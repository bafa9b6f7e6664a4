// Where log bytes go: a file, a FIFO, a terminal, a pipe or a socket, written without waiting for a reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace lotagate::telemetry {

// Owns its descriptor. Single-threaded.
class LogSink {
 public:
  // "-" is standard output: a pipe or terminal is opened anew through /proc, because making the shared descriptor
  // non-blocking would reach every process that holds it. The error is a message.
  static std::expected<LogSink, std::string> open(const std::string& file);
  LogSink(LogSink&& other) noexcept;
  LogSink& operator=(LogSink&& other) noexcept;
  ~LogSink();

  enum class Outcome : std::uint8_t { written, would_block, failed };
  struct Written {
    Outcome outcome;
    std::size_t bytes = 0;  // taken, perhaps fewer than offered
  };
  // Offers `lines`, not empty and ending in a newline. What has a reader gets at most PIPE_BUF bytes at once, cut after
  // a line if possible, because the kernel takes those whole or not at all: lines of other writers stay apart.
  Written write(std::string_view lines) noexcept;

  // Opens the same file anew; false, and nothing changed, if that fails. True and without effect for "-".
  bool reopen() noexcept;

  // For waiting until it can be written.
  int fd() const noexcept { return fd_; }

 private:
  enum class Kind : std::uint8_t {
    file,           // regular: whole buffers
    stream,         // FIFO, pipe, terminal, non-blocking
    socket,         // non-blocking by a flag of each send
    shared_stream,  // could not be opened anew and may block: asked before each write
  };
  LogSink(std::string file, int fd, Kind kind);
  static std::expected<LogSink, std::string> open_stdout();

  std::string file_;
  int fd_ = -1;
  Kind kind_ = Kind::file;
};

}  // namespace lotagate::telemetry
