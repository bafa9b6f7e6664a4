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

void write_private_file(const std::string& path, std::string_view content) {
  std::string unfinished = path + ".new";
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
  if (::rename(unfinished.c_str(), path.c_str()) != 0) fail_file("create", path, errno);
}

}  // namespace lotagate::services
