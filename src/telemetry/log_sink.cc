#include "telemetry/log_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lotagate::telemetry {
namespace {

// One write of a regular file: large enough for full speed, small enough that a stop is soon seen.
constexpr std::size_t kFileWriteBytes = std::size_t{256} * 1024;

std::unexpected<std::string> failure(const std::string& file, int error) {
  return std::unexpected("access log " + file + ": " + std::strerror(error));
}

bool writable_now(int fd) noexcept {
  pollfd waiting{fd, POLLOUT, 0};
  return poll(&waiting, 1, 0) == 1;
}

// The whole lines at the start of `lines` that fit into PIPE_BUF, or one longer line.
std::string_view atomic_part(std::string_view lines) noexcept {
  if (lines.size() <= PIPE_BUF) return lines;
  std::size_t last = lines.rfind('\n', PIPE_BUF - 1);
  if (last == std::string_view::npos) last = lines.find('\n');
  return lines.substr(0, last == std::string_view::npos ? last : last + 1);
}

}  // namespace

LogSink::LogSink(std::string file, int fd, Kind kind) : file_(std::move(file)), fd_(fd), kind_(kind) {}

LogSink::LogSink(LogSink&& other) noexcept
    : file_(std::move(other.file_)), fd_(std::exchange(other.fd_, -1)), kind_(other.kind_) {}

LogSink& LogSink::operator=(LogSink&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(fd_, other.fd_);
  std::swap(kind_, other.kind_);
  return *this;
}

LogSink::~LogSink() {
  if (fd_ >= 0) close(fd_);
}

std::expected<LogSink, std::string> LogSink::open(const std::string& file) {
  if (file == "-") return open_stdout();
  // Non-blocking: for a FIFO without a reader (an error now rather than a hang), no effect on a regular file.
  int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
  if (fd < 0) return failure(file, errno);
  struct stat status{};
  if (fstat(fd, &status) != 0) {
    int error = errno;
    close(fd);
    return failure(file, error);
  }
  return LogSink(file, fd, S_ISREG(status.st_mode) ? Kind::file : Kind::stream);
}

std::expected<LogSink, std::string> LogSink::open_stdout() {
  struct stat status{};
  if (fstat(STDOUT_FILENO, &status) != 0) return failure("-", errno);
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    int anew = ::open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (anew >= 0) return LogSink("-", anew, Kind::stream);
  }
  // A regular file keeps the shared offset: with one of its own, lines and diagnostics would overwrite each other.
  int copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return failure("-", errno);
  Kind kind = S_ISREG(status.st_mode) ? Kind::file : S_ISSOCK(status.st_mode) ? Kind::socket : Kind::shared_stream;
  return LogSink("-", copy, kind);
}

LogSink::Written LogSink::write(std::string_view lines) noexcept {
  ssize_t taken = 0;
  switch (kind_) {
    case Kind::file:
      lines = lines.substr(0, kFileWriteBytes);
      taken = ::write(fd_, lines.data(), lines.size());
      break;
    case Kind::stream:
      lines = atomic_part(lines);
      taken = ::write(fd_, lines.data(), lines.size());
      break;
    case Kind::socket: taken = send(fd_, lines.data(), lines.size(), MSG_DONTWAIT | MSG_NOSIGNAL); break;
    case Kind::shared_stream:
      if (!writable_now(fd_)) return {Outcome::would_block};
      lines = atomic_part(lines).substr(0, PIPE_BUF);
      taken = ::write(fd_, lines.data(), lines.size());
      break;
  }
  if (taken >= 0) return {Outcome::written, static_cast<std::size_t>(taken)};
  if (errno == EINTR) return {Outcome::written, 0};
  return {errno == EAGAIN || errno == EWOULDBLOCK ? Outcome::would_block : Outcome::failed};
}

bool LogSink::reopen() noexcept {
  if (file_ == "-") return true;
  auto anew = open(file_);
  if (!anew) return false;
  *this = std::move(*anew);
  return true;
}

}  // namespace lotagate::telemetry
