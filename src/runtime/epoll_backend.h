// The real network: epoll, edge-triggered, one instance per worker.
#pragma once

#include "runtime/backend.h"

namespace lotagate {

class EpollBackend final : public Backend {
 public:
  EpollBackend();
  ~EpollBackend() override;

  // 0 if nobody listens on `address` yet, else the errno value of trying; listen() alone would share the port.
  static int probe(const SocketAddress& address);

  std::expected<SocketHandle, int> listen(const SocketAddress& address) override;
  SocketAddress local_address(SocketHandle handle) override;
  std::expected<Accepted, AcceptStatus> accept(SocketHandle listener) override;
  std::expected<SocketHandle, int> connect(const SocketAddress& address) override;
  int connect_error(SocketHandle handle) override;
  void watch(SocketHandle handle, std::uint64_t token) override;
  IoResult receive(SocketHandle handle, std::span<char> into) override;
  IoResult send(SocketHandle handle, std::span<const iovec> parts) override;
  void shutdown_write(SocketHandle handle) override;
  void close(SocketHandle handle, bool abort) override;
  std::size_t wait(MonotonicTime until, std::span<Event> events) override;
  void wake() override;
  MonotonicTime now() override;
  WallTime wall_now() override;

 private:
  int epoll_;
  int wake_event_;
};

}  // namespace lotagate
