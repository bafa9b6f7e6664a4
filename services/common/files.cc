#include "common/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/startup_error.h"

namespace lotagate::services {
namespace {

[[noreturn]] void fail_file(std::string_view what, const std::string& path, int error) {
  throw StartupError(fmt::format("cannot {} {}: {}", what, path, std::strerror(error)));
}

void write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_file("write", path, errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) fail_file("write", path, errno);
}

}  // namespace

void prepare_data_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) fail_file("create data directory", directory, errno);
  std::string probe = directory + "/.write-probe";
  int fd = ::open(probe.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) fail_file("write to data directory", directory, errno);
  ::close(fd);
  ::unlink(probe.c_str());
}

std::optional<std::string> read_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail_file("read", path, errno);
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) fail_file("read", path, EIO);
  return content;
}

namespace {

// A new name is kept over a power failure only once its directory is.
void sync_directory_of(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path();
  int fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_file("open directory of", path, errno);
  int synced = ::fsync(fd);
  int error = errno;
  ::close(fd);
  if (synced != 0) fail_file("write directory of", path, error);
}

// `content` in a new private file beside `path`; returns its name. Each process has its own.
std::string write_unfinished(const std::string& path, std::string_view content) {
  std::string unfinished = fmt::format("{}.{}.new", path, ::getpid());
  ::unlink(unfinished.c_str());  // what a crash left behind
  int fd = ::open(unfinished.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) fail_file("create", unfinished, errno);
  try {
    write_all(fd, content, unfinished);
  } catch (...) {
    ::close(fd);
    throw;
  }
  ::close(fd);
  return unfinished;
}

}  // namespace

void write_private_file(const std::string& path, std::string_view content) {
  std::string unfinished = write_unfinished(path, content);
  if (::rename(unfinished.c_str(), path.c_str()) != 0) fail_file("create", path, errno);
  sync_directory_of(path);
}

void create_private_file(const std::string& path, std::string_view content) {
  std::string unfinished = write_unfinished(path, content);
  int linked = ::link(unfinished.c_str(), path.c_str());
  int error = errno;
  ::unlink(unfinished.c_str());
  if (linked != 0 && error != EEXIST) fail_file("create", path, error);
  sync_directory_of(path);
}

}  // namespace lotagate::services
