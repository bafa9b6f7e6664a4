// The admin listener: /healthz, /readyz, /status, /metrics. A loop and a thread of its own, so that a scrape never
// takes time from requests. Loopback unless configured otherwise; GET and HEAD only, no bodies.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "runtime/epoll_backend.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/task.h"

namespace lotagate {

struct AdminPage {
  std::uint16_t status = 200;
  std::string_view content_type;
  std::string body;
};

class AdminServer {
 public:
  // `page` makes the page of a path (called on the admin thread); a status of 404 for unknown ones.
  explicit AdminServer(std::function<AdminPage(std::string_view path)> page);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // The address it got, or the errno value.
  std::expected<SocketAddress, int> listen(const SocketAddress& address);
  void start();
  void stop();
  FramePool& frames() { return reactor_.frames(); }

 private:
  // A scraper and a few people; more are refused.
  static constexpr std::size_t kMaxConnections = 64;

  void run();
  Task<void> accept_loop();
  Task<void> serve(std::unique_ptr<Socket> socket);
  Task<void> serve_request(Socket& socket);
  std::string answer(std::string_view head);

  std::function<AdminPage(std::string_view)> page_;
  EpollBackend backend_;
  Reactor reactor_;
  std::unique_ptr<Socket> listener_;
  std::size_t connections_ = 0;
  bool accepting_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lotagate
