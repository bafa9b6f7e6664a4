// The floor of the benchmarks: the least a proxy can do. One thread, epoll edge-triggered, one upstream connection for
// each client connection, bytes copied without a look: two recv() and two send() for a request and its answer.
// Whatever the gateway costs beyond this is the gateway's own doing.
//
//   lotagate-bare-relay --listen 127.0.0.1:PORT --upstream 127.0.0.1:PORT
//
// Port 0 takes a free one; `listening on 127.0.0.1:PORT` on stderr says which. SIGTERM and SIGINT end it at once.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kListenBacklog = 4096;
constexpr int kEventsPerWait = 256;
// Registered once for both directions: edge-triggered, a socket that stays writable costs no event.
constexpr std::uint32_t kInterest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "lotagate-bare-relay: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Relay;

// One end of a relayed connection, and what it has read that the other end could not take yet.
struct End {
  Relay* relay = nullptr;
  End* other = nullptr;
  int fd = -1;
  bool finished = false;    // this end's peer has closed its sending side
  std::string undelivered;  // read here, to be sent by `other`; nothing more is read before it is gone
};

// A client connection with its upstream connection. Owned by itself: freed by the loop after the last event of a turn,
// because later events of the same turn may still point to it.
struct Relay {
  Relay(int client_fd, int upstream_fd) {
    client.relay = upstream.relay = this;
    client.other = &upstream;
    upstream.other = &client;
    client.fd = client_fd;
    upstream.fd = upstream_fd;
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    close(client.fd);
    close(upstream.fd);
  }
  End client;
  End upstream;
  bool closed = false;
};

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

// Sends `bytes` of `from` to the other end and keeps the rest. False: the connection is broken.
bool deliver(End& from, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = send(from.other->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && !would_block()) return false;
    if (sent < 0) break;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  from.undelivered.assign(bytes);
  return true;
}

// Moves what `from` has received. A read that does not fill the buffer has drained the socket (epoll(7)), so the usual
// message costs one recv(); after a hang-up it reads on, because the end of the stream makes no further edge.
bool pump(End& from, bool hung_up, std::array<char, kReadBytes>& buffer) {
  while (from.undelivered.empty() && !from.finished) {
    ssize_t received = recv(from.fd, buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return would_block();
    if (received == 0) {
      from.finished = true;
      shutdown(from.other->fd, SHUT_WR);
      return true;
    }
    auto size = static_cast<std::size_t>(received);
    if (!deliver(from, {buffer.data(), size})) return false;
    if (size < buffer.size() && !hung_up) return true;
  }
  return true;
}

// The upstream may still be connecting: its first send then finds the socket not writable and waits for the edge.
bool on_event(End& end, std::uint32_t events, std::array<char, kReadBytes>& buffer) {
  if ((events & EPOLLERR) != 0) return false;
  if ((events & EPOLLOUT) != 0 && !end.other->undelivered.empty()) {
    std::string rest = std::move(end.other->undelivered);
    end.other->undelivered.clear();
    // What blocked the other end's reading is gone: it may hold bytes whose edge has passed.
    if (!deliver(*end.other, rest) || !pump(*end.other, true, buffer)) return false;
  }
  bool hung_up = (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
  if ((events & EPOLLIN) != 0 || hung_up) {
    if (!pump(end, hung_up, buffer)) return false;
  }
  return !(end.finished && end.other->finished);
}

void watch(int epoll_fd, int fd, std::uint32_t interest, End* end) {
  epoll_event event{.events = interest, .data = {.ptr = end}};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

int connect_to(const sockaddr_in& address) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
    die("connect to the upstream");
  }
  return fd;
}

void accept_all(int epoll_fd, int listener, const sockaddr_in& upstream_address) {
  while (true) {
    int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (fd < 0 && would_block()) return;
    if (fd < 0) die("accept");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto relay = std::make_unique<Relay>(fd, connect_to(upstream_address)).release();
    watch(epoll_fd, relay->client.fd, kInterest, &relay->client);
    watch(epoll_fd, relay->upstream.fd, kInterest, &relay->upstream);
  }
}

[[noreturn]] void serve(int listener, const sockaddr_in& upstream_address) {
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  watch(epoll_fd, listener, EPOLLIN, nullptr);

  auto buffer = std::make_unique<std::array<char, kReadBytes>>();
  std::array<epoll_event, kEventsPerWait> events;
  std::vector<std::unique_ptr<Relay>> closed;
  while (true) {
    int count = epoll_wait(epoll_fd, events.data(), kEventsPerWait, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      auto* end = static_cast<End*>(event.data.ptr);
      if (end == nullptr) {
        accept_all(epoll_fd, listener, upstream_address);
      } else if (!end->relay->closed && !on_event(*end, event.events, *buffer)) {
        end->relay->closed = true;
        closed.emplace_back(end->relay);
      }
    }
    closed.clear();
  }
}

int listen_on(sockaddr_in address) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("bind");
  if (listen(fd, kListenBacklog) != 0) die("listen");
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
  std::fprintf(stderr, "listening on %s:%u\n", inet_ntoa(address.sin_addr), unsigned{ntohs(address.sin_port)});
  return fd;
}

// "127.0.0.1:8080".
std::optional<sockaddr_in> parse_address(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, std::string(text.substr(0, colon)).c_str(), &address.sin_addr) != 1) return std::nullopt;
  return address;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<sockaddr_in> listen_address;
  std::optional<sockaddr_in> upstream_address;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string_view option = argv[i];
    if (option == "--listen") listen_address = parse_address(argv[i + 1]);
    if (option == "--upstream") upstream_address = parse_address(argv[i + 1]);
  }
  if (argc != 5 || !listen_address || !upstream_address) {
    std::fputs("usage: lotagate-bare-relay --listen 127.0.0.1:PORT --upstream 127.0.0.1:PORT\n", stderr);
    return 2;
  }
  serve(listen_on(*listen_address), *upstream_address);
}
