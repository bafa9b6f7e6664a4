#include "runtime/epoll_backend.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/check.h"
#include "base/sockaddr.h"

namespace lotagate {
namespace {

constexpr std::uint64_t kWakeToken = ~0ull;
constexpr std::size_t kMaxEventsPerWait = 256;

// What a service may send ahead. The kernel begins with 64 KiB and lets the window grow only for a reader that takes
// much at once; ours takes 64 KiB at a time, so every read drew one more packet out of the sender, and a body of 1 MiB
// cost twice as much with BBR (500 against 265 us in the bare relay; docs/performance.md, 2026-11).
constexpr int kReceiveWindowBytes = 512 * 1024;

// The threshold's side effect is what is wanted: it makes room for that many bytes and, other than SO_RCVBUF, leaves
// autotuning on and needs no privilege (tcp_set_rcvlowat() in Linux 4.18 and later). The threshold itself goes back at
// once: any byte is news.
void widen_receive_window(int fd) {
  for (int bytes : {kReceiveWindowBytes, 1}) ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

// What may wait unsent for a client in the kernel's memory. Without it the kernel took up to 8 MiB for a client that
// had stopped reading before the gateway noticed and held the service back (S04). 256 KiB would cost a fifth more CPU
// for 1 MiB answers, which then wait for the client several times; 1 MiB costs nothing that can be measured.
constexpr int kUnsentBytes = 1024 * 1024;

std::expected<int, int> open_socket(const SocketAddress& address) {
  int fd = ::socket(address.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return std::unexpected(errno);
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int fail_closing(int fd) {
  int error = errno;
  ::close(fd);
  return error;
}

// The two calls of every read and write, past libc's wrappers: those are cancellation points and pay for it in a
// process with threads (callgrind: 40 instructions a call).
ssize_t receive_bytes(int fd, void* into, std::size_t bytes) {
  return ::syscall(SYS_recvfrom, fd, into, bytes, 0, nullptr, nullptr);
}

ssize_t send_bytes(int fd, const void* from, std::size_t bytes) {
  return ::syscall(SYS_sendto, fd, from, bytes, MSG_NOSIGNAL, nullptr, 0);
}

template <typename Time>
Time read_clock(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return Time(std::chrono::seconds(ts.tv_sec) + nanoseconds(ts.tv_nsec));
}

int timeout_ms(MonotonicTime until, MonotonicTime now) {
  if (until == kNever) return -1;
  if (until <= now) return 0;
  auto left = std::chrono::ceil<milliseconds>(until - now).count();
  return static_cast<int>(std::min<std::int64_t>(left, 60'000));
}

}  // namespace

EpollBackend::EpollBackend()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  LG_CHECK(epoll_ >= 0 && wake_event_ >= 0, "no descriptors for a worker");
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = kWakeToken}};
  LG_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_event_, &event) == 0, "epoll takes no descriptor");
}

EpollBackend::~EpollBackend() {
  ::close(wake_event_);
  ::close(epoll_);
}

int EpollBackend::probe(const SocketAddress& address) {
  auto fd = open_socket(address);
  if (!fd) return fd.error();
  int on = 1;
  ::setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage;
  socklen_t length = to_sockaddr(address, storage);
  if (::bind(*fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) return fail_closing(*fd);
  ::close(*fd);
  return 0;
}

std::expected<SocketHandle, int> EpollBackend::listen(const SocketAddress& address) {
  auto fd = open_socket(address);
  if (!fd) return fd;
  int on = 1;
  ::setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  ::setsockopt(*fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof kUnsentBytes);
  sockaddr_storage storage;
  socklen_t length = to_sockaddr(address, storage);
  if (::bind(*fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) return std::unexpected(fail_closing(*fd));
  if (::listen(*fd, SOMAXCONN) != 0) return std::unexpected(fail_closing(*fd));
  return fd;
}

SocketAddress EpollBackend::local_address(SocketHandle handle) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(handle, reinterpret_cast<sockaddr*>(&storage), &length);
  return from_sockaddr(storage);
}

std::expected<Accepted, AcceptStatus> EpollBackend::accept(SocketHandle listener) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  // TCP_NODELAY and TCP_NOTSENT_LOWAT are inherited from the listener.
  int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) return Accepted{fd, from_sockaddr(storage)};
  switch (errno) {
    case EAGAIN: return std::unexpected(AcceptStatus::would_block);
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return std::unexpected(AcceptStatus::no_descriptors);
    case EBADF:
    case EINVAL:
    case ENOTSOCK: return std::unexpected(AcceptStatus::failed);
    default: return std::unexpected(AcceptStatus::aborted);  // accept(2): errors of the new connection, try the next
  }
}

std::expected<SocketHandle, int> EpollBackend::connect(const SocketAddress& address) {
  auto fd = open_socket(address);
  if (!fd) return fd;
  widen_receive_window(*fd);
  sockaddr_storage storage;
  socklen_t length = to_sockaddr(address, storage);
  if (::connect(*fd, reinterpret_cast<sockaddr*>(&storage), length) != 0 && errno != EINPROGRESS) {
    return std::unexpected(fail_closing(*fd));
  }
  return fd;
}

int EpollBackend::connect_error(SocketHandle handle) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(handle, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

void EpollBackend::watch(SocketHandle handle, std::uint64_t token) {
  // Both directions once: with edges an idle direction costs nothing, and no epoll_ctl is needed per request.
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = token}};
  LG_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, handle, &event) == 0, "epoll takes no descriptor");
}

IoResult EpollBackend::receive(SocketHandle handle, std::span<char> into) {
  while (true) {
    ssize_t n = receive_bytes(handle, into.data(), into.size());
    if (n > 0) return {IoStatus::ok, static_cast<std::size_t>(n)};
    if (n == 0) return {IoStatus::closed};
    if (errno == EINTR) continue;
    return {errno == EAGAIN ? IoStatus::would_block : IoStatus::reset};
  }
}

IoResult EpollBackend::send(SocketHandle handle, std::span<const iovec> parts) {
  while (true) {
    ssize_t n;
    if (parts.size() == 1) {  // send() spares the kernel copying a message header
      n = send_bytes(handle, parts[0].iov_base, parts[0].iov_len);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts.data());
      message.msg_iovlen = parts.size();
      n = ::sendmsg(handle, &message, MSG_NOSIGNAL);
    }
    if (n >= 0) return {IoStatus::ok, static_cast<std::size_t>(n)};
    if (errno == EINTR) continue;
    return {errno == EAGAIN ? IoStatus::would_block : IoStatus::reset};
  }
}

void EpollBackend::shutdown_write(SocketHandle handle) { ::shutdown(handle, SHUT_WR); }

void EpollBackend::close(SocketHandle handle, bool abort) {
  if (abort) {
    linger no_wait{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(handle, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
  }
  ::close(handle);
}

std::size_t EpollBackend::wait(MonotonicTime until, std::span<Event> events) {
  epoll_event raw[kMaxEventsPerWait];
  int most = static_cast<int>(std::min(events.size(), kMaxEventsPerWait));
  int timeout = until == MonotonicTime::min() ? 0 : timeout_ms(until, now());
  int count = epoll_wait(epoll_, raw, most, timeout);
  std::size_t filled = 0;
  for (int i = 0; i < count; ++i) {
    if (raw[i].data.u64 == kWakeToken) {
      std::uint64_t ignored;
      [[maybe_unused]] auto n = ::read(wake_event_, &ignored, sizeof ignored);
      continue;
    }
    std::uint32_t flags = raw[i].events;
    events[filled++] = Event{.token = raw[i].data.u64,
                             .readable = (flags & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
                             .writable = (flags & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
                             .peer_closed = (flags & (EPOLLRDHUP | EPOLLHUP)) != 0,
                             .failed = (flags & (EPOLLHUP | EPOLLERR)) != 0};
  }
  return filled;
}

void EpollBackend::wake() {
  std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(wake_event_, &one, sizeof one);
}

MonotonicTime EpollBackend::now() { return read_clock<MonotonicTime>(CLOCK_MONOTONIC); }

WallTime EpollBackend::wall_now() { return read_clock<WallTime>(CLOCK_REALTIME); }

}  // namespace lotagate
