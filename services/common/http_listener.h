// One listening address of a service: cpp-httplib reads and writes the messages, Acceptor owns the connections, Router
// picks the handler.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "base/address.h"
#include "common/router.h"
#include "common/stop_signal.h"

namespace lotagate::services {

struct ListenerOptions {
  SocketAddress listen;
  std::size_t max_body_bytes = 0;
  std::chrono::milliseconds request_time{};  // for the whole of a request to arrive
  bool verbose = false;                      // a line per request on stderr
};

class HttpListener {
 public:
  // Binds. `stop_signal` outlives the listener. Throws StartupError.
  HttpListener(const ListenerOptions& options, const StopSignal& stop_signal);
  ~HttpListener();

  // Filled before run().
  Router& router();
  // With the port that was chosen.
  const SocketAddress& address() const;

  // Serves until `stop_fd` is readable; finish() then gives the requests in progress some time, and waits for their
  // end.
  void run(int stop_fd);
  void finish(std::chrono::milliseconds grace);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lotagate::services
