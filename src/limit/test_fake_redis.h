// Something on a port of 127.0.0.1 that answers what a test says, be it Redis or not.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "limit/test_redis.h"

namespace lotagate::limit::testing {

class FakeRedis {
 public:
  struct Answer {
    std::string bytes;
    std::string drip = {};   // then this every 5 ms, for ever
    std::string flood = {};  // then this as fast as it goes, for ever
  };
  // `answer` gets what one read brought, on the server's thread.
  explicit FakeRedis(std::function<Answer(std::string_view)> answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    LG_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener_, 16) == 0, "bind");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~FakeRedis() {
    stopping_ = true;
    thread_.join();
    close(listener_);
    for (const Client& client : clients_) close(client.fd);
  }
  FakeRedis(const FakeRedis&) = delete;
  FakeRedis& operator=(const FakeRedis&) = delete;

  StoreAddress address() const { return {.host = "127.0.0.1", .port = port_}; }
  std::size_t sent() const { return sent_; }

 private:
  struct Client {
    int fd;
    Answer answer = {};
  };

  void run() {
    while (!stopping_) {
      std::vector<pollfd> wanted{{.fd = listener_, .events = POLLIN, .revents = 0}};
      bool floods = false;
      for (const Client& client : clients_) {
        wanted.push_back({.fd = client.fd, .events = POLLIN, .revents = 0});
        floods |= !client.answer.flood.empty();
      }
      poll(wanted.data(), wanted.size(), floods ? 0 : 5);
      for (std::size_t i = 0; i < clients_.size(); ++i) serve(clients_[i], wanted[i + 1].revents != 0);
      std::erase_if(clients_, [](const Client& client) { return client.fd < 0; });
      if (wanted[0].revents != 0) clients_.push_back({.fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)});
    }
  }

  void serve(Client& client, bool readable) {
    if (readable) {
      char buffer[1 << 16];
      const ssize_t size = recv(client.fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (size <= 0) {
        close(std::exchange(client.fd, -1));
        return;
      }
      client.answer = answer_({buffer, static_cast<std::size_t>(size)});
      write(client.fd, client.answer.bytes);
    }
    write(client.fd, client.answer.drip);
    write(client.fd, client.answer.flood);
  }

  void write(int fd, std::string_view bytes) {
    if (bytes.empty()) return;
    const ssize_t done = send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done > 0) sent_ += static_cast<std::size_t>(done);
  }

  const std::function<Answer(std::string_view)> answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::vector<Client> clients_;
  std::atomic<std::size_t> sent_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace lotagate::limit::testing
