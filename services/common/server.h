// An HTTP/1.1 server for one service, on one or two addresses. SIGTERM and SIGINT stop it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/address.h"
#include "common/router.h"
#include "common/stop_signal.h"

namespace lotagate::services {

struct ServerOptions {
  SocketAddress listen;
  // A second address, with paths of its own, that clients cannot reach.
  std::optional<SocketAddress> internal_listen = {};
  std::size_t max_body_bytes = 10ull * 1024 * 1024;  // as the gateway's default
  // For the whole of a request to arrive; then its connection is closed. 10 MiB in this time are 1.4 Mbit/s.
  std::chrono::milliseconds request_time = std::chrono::seconds(60);
  bool verbose = false;  // a line per request on stderr
};

class Server {
 public:
  // Binds, and blocks SIGTERM and SIGINT for the calling thread: call it before starting any other thread.
  explicit Server(const ServerOptions& options);
  ~Server();

  // Filled before run().
  Router& router();
  Router& internal_router();
  // Raised when the process is asked to stop; handlers that wait do it here or end with `on_stop`.
  StopSignal& stop_signal();

  // Prints `internal endpoints listening on ADDRESS` (if there are) and `listening on ADDRESS`, and serves until a
  // signal. `on_stop` then ends whatever handlers wait for; requests in progress get a second to finish. Every handler
  // has returned when this does.
  void run(const std::function<void()>& on_stop = {});

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lotagate::services
