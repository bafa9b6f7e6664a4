// An HTTP/1.1 server for one service: cpp-httplib reads and writes the messages, Acceptor owns the connections,
// Router picks the handler. SIGTERM and SIGINT stop it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/address.h"
#include "common/router.h"
#include "common/stop_signal.h"

namespace lotagate::services {

struct ServerOptions {
  SocketAddress listen;
  std::size_t max_body_bytes = 10ull * 1024 * 1024;  // as the gateway's default
  bool verbose = false;                              // a line per request on stderr
};

class Server {
 public:
  // Binds, and blocks SIGTERM and SIGINT for the calling thread: call it before starting any other thread.
  explicit Server(const ServerOptions& options);
  ~Server();

  // Filled before run().
  Router& router();
  // Raised when the process is asked to stop; handlers that wait do it here or end with `on_stop`.
  StopSignal& stop_signal();

  // Prints `listening on ADDRESS` and serves until a signal. `on_stop` then ends whatever handlers wait for; requests
  // in progress get a second to finish. Every handler has returned when this does.
  void run(const std::function<void()>& on_stop = {});

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lotagate::services
