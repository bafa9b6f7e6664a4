// For tests only: a small HTTP/1.1 server on 127.0.0.1 whose answers a test writes byte by byte.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace lotagate {

// Far beyond what anything here takes: reached only when something is broken.
inline constexpr std::chrono::seconds kTestPatience{30};

// Whether the condition becomes true, for what offers nothing to wait on.
template <typename Condition>
bool eventually(Condition&& condition) {
  auto deadline = std::chrono::steady_clock::now() + kTestPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct TestRequest {
  std::string target;
  std::string head;  // whole, with the request line

  // Empty when the field is missing.
  std::string field(std::string_view name) const {
    std::string_view rest = head;
    while (!rest.empty()) {
      auto end = rest.find("\r\n");
      auto line = rest.substr(0, end);
      auto colon = line.find(':');
      if (colon != line.npos && iequals(line.substr(0, colon), name)) return std::string(trim(line.substr(colon + 1)));
      rest.remove_prefix(end == rest.npos ? rest.size() : end + 2);
    }
    return {};
  }
};

// A complete answer; `fields` are whole lines that end in CRLF.
inline std::string test_answer(int status, std::string_view body, std::string_view fields = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " Test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

// Owns its port from the beginning; connections are refused until up().
class TestHttpServer {
 public:
  // What goes back on the wire; nothing: the request is never answered. Called on the connection's thread, several at
  // the same time.
  using Handler = std::function<std::optional<std::string>(const TestRequest&)>;

  explicit TestHttpServer(Handler handler) : handler_(std::move(handler)) {
    reserved_ = bind_to(0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    LG_CHECK(::getsockname(reserved_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
    port_ = ntohs(address.sin_port);
  }
  ~TestHttpServer() {
    down();
    ::close(reserved_);
  }
  TestHttpServer(const TestHttpServer&) = delete;
  TestHttpServer& operator=(const TestHttpServer&) = delete;

  std::string url(std::string_view path = {}) const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }

  void up() {
    listener_ = bind_to(port_);
    LG_CHECK(::listen(listener_, 64) == 0, "listen");
    acceptor_ = std::thread([this] { accept_all(); });
  }

  // Breaks off what is open. A handler that waits must have been released before.
  void down() {
    if (listener_ < 0) return;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    listener_ = -1;
    std::vector<std::thread> threads;
    {
      std::lock_guard lock(mutex_);
      for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
      threads.swap(threads_);
    }
    for (auto& thread : threads) thread.join();
  }

  // Waits until this many requests have come since the beginning.
  bool wait_for_requests(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kTestPatience, [&] { return requests_.size() >= count; });
  }
  std::vector<TestRequest> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static int bind_to(std::uint16_t port) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LG_CHECK(fd >= 0, "socket");
    int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);  // the listener shares the reserved port
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    LG_CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    return fd;
  }

  void accept_all() {
    while (true) {
      int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    std::string input;
    while (auto request = read_request(fd, input)) {
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(*request);
      }
      changed_.notify_all();
      auto answer = handler_(*request);
      if (answer && !send_all(fd, *answer)) break;
    }
    std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
  }

  // Nothing when the peer or down() ended the connection.
  static std::optional<TestRequest> read_request(int fd, std::string& input) {
    std::size_t end = 0;
    while ((end = input.find("\r\n\r\n")) == input.npos) {
      char chunk[4096];
      ssize_t got = ::recv(fd, chunk, sizeof chunk, 0);
      if (got <= 0) return std::nullopt;
      input.append(chunk, static_cast<std::size_t>(got));
    }
    TestRequest request{.target = {}, .head = input.substr(0, end + 2)};
    input.erase(0, end + 4);
    auto begin = request.head.find(' ') + 1;
    request.target = request.head.substr(begin, request.head.find(' ', begin) - begin);
    return request;
  }

  static bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  Handler handler_;
  int reserved_ = -1;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;  // guards the following
  std::condition_variable changed_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::vector<TestRequest> requests_;
};

}  // namespace lotagate
