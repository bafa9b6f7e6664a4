#include "config/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "config/units.h"

namespace lotagate::config {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<std::string> system_error_text() { return std::unexpected(std::generic_category().message(errno)); }

}  // namespace

std::expected<std::string, std::string> read_file(const std::string& path, std::size_t max_bytes) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_error_text();
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error_text();
  if (!S_ISREG(status.st_mode)) return std::unexpected(std::string("not a regular file"));

  // Read to the end whatever the size said: the file may grow meanwhile, and files of /proc say 0.
  std::string content;
  while (content.size() <= max_bytes) {
    char chunk[16 * 1024];
    ssize_t got = ::read(file.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error_text();
    if (got == 0) return content;
    content.append(chunk, static_cast<std::size_t>(got));
  }
  return std::unexpected("larger than " + size_to_text(max_bytes));
}

}  // namespace lotagate::config
