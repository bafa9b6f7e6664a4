// The seam between the product and the operating system: sockets, readiness and clocks. Two implementations: epoll, and
// a simulated network with a manual clock for tests. Everything is non-blocking; nothing throws.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "base/address.h"
#include "base/clock.h"

namespace lotagate {

using SocketHandle = int;
inline constexpr SocketHandle kNoSocket = -1;

// What a read or write came to. `bytes` counts only for ok; a read of zero bytes at the end of the stream is `closed`.
enum class IoStatus : std::uint8_t { ok, would_block, closed, reset };
struct IoResult {
  IoStatus status;
  std::size_t bytes = 0;
};

// An edge: what became true of the socket registered under `token` since it was last reported.
struct Event {
  std::uint64_t token;
  bool readable;
  bool writable;
  bool peer_closed;  // FIN seen: reads will end
  bool failed;       // reset or error: both directions are over
};

struct Accepted {
  SocketHandle handle;
  SocketAddress peer;
};

// Why an accept gave nothing.
enum class AcceptStatus : std::uint8_t { would_block, aborted, no_descriptors, failed };

class Backend {
 public:
  virtual ~Backend() = default;

  // A listening socket with SO_REUSEPORT; the errno value on failure.
  virtual std::expected<SocketHandle, int> listen(const SocketAddress& address) = 0;
  virtual SocketAddress local_address(SocketHandle handle) = 0;
  virtual std::expected<Accepted, AcceptStatus> accept(SocketHandle listener) = 0;
  // Starts connecting; writable tells the end, connect_error() the outcome. The errno value if it fails at once.
  virtual std::expected<SocketHandle, int> connect(const SocketAddress& address) = 0;
  // 0, or the errno value of a finished connect.
  virtual int connect_error(SocketHandle handle) = 0;

  // Edge-triggered readiness for `handle` is reported under `token` until close().
  virtual void watch(SocketHandle handle, std::uint64_t token) = 0;
  virtual IoResult receive(SocketHandle handle, std::span<char> into) = 0;
  // Gathers; may take less than all.
  virtual IoResult send(SocketHandle handle, std::span<const iovec> parts) = 0;
  virtual void shutdown_write(SocketHandle handle) = 0;
  // `abort`: the peer sees a reset instead of an orderly end.
  virtual void close(SocketHandle handle, bool abort) = 0;

  // Waits for events up to `until` (kNever: for ever); returns how many were written to `events`.
  virtual std::size_t wait(MonotonicTime until, std::span<Event> events) = 0;
  // Makes a current or the next wait() return at once. The only member for other threads.
  virtual void wake() = 0;

  virtual MonotonicTime now() = 0;
  virtual WallTime wall_now() = 0;
};

}  // namespace lotagate
