#include "common/server.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <thread>

#include "base/check.h"
#include "common/http_listener.h"
#include "common/log.h"

namespace lotagate::services {
namespace {

constexpr std::chrono::milliseconds kStopGrace(1000);

// A descriptor that becomes readable, for every thread that polls it, when the process is asked to stop.
int open_stop_fd() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  LG_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0, "signals can be blocked");
  int fd = ::signalfd(-1, &signals, SFD_CLOEXEC);
  LG_CHECK(fd >= 0, "signalfd");
  return fd;
}

ListenerOptions listener_options(const ServerOptions& options, const SocketAddress& address) {
  return {.listen = address,
          .max_body_bytes = options.max_body_bytes,
          .request_time = options.request_time,
          .verbose = options.verbose};
}

}  // namespace

class Server::Implementation {
 public:
  explicit Implementation(const ServerOptions& options)
      : stop_fd_(open_stop_fd()), listener_(listener_options(options, options.listen), stop_signal_) {
    listener_.router().add("GET", "/healthz", [](const Request&) { return json_response(200, R"({"status":"ok"})"); });
    if (options.internal_listen) internal_.emplace(listener_options(options, *options.internal_listen), stop_signal_);
  }

  ~Implementation() { ::close(stop_fd_); }

  Router& router() { return listener_.router(); }
  Router& internal_router() {
    LG_CHECK(internal_.has_value(), "a server without an internal address has no internal paths");
    return internal_->router();
  }
  StopSignal& stop_signal() { return stop_signal_; }

  void run(const std::function<void()>& on_stop) {
    std::thread inside;
    if (internal_) {
      log_line("internal endpoints listening on " + to_string(internal_->address()));
      inside = std::thread([this] { internal_->run(stop_fd_); });
    }
    log_line("listening on " + to_string(listener_.address()));
    listener_.run(stop_fd_);
    if (inside.joinable()) inside.join();
    stop_signal_.raise();
    if (on_stop) on_stop();
    listener_.finish(kStopGrace);
    if (internal_) internal_->finish(kStopGrace);
  }

 private:
  const int stop_fd_;
  StopSignal stop_signal_;
  HttpListener listener_;
  std::optional<HttpListener> internal_;
};

Server::Server(const ServerOptions& options) : implementation_(std::make_unique<Implementation>(options)) {}
Server::~Server() = default;

Router& Server::router() { return implementation_->router(); }
Router& Server::internal_router() { return implementation_->internal_router(); }
StopSignal& Server::stop_signal() { return implementation_->stop_signal(); }
void Server::run(const std::function<void()>& on_stop) { implementation_->run(on_stop); }

}  // namespace lotagate::services
