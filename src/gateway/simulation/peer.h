// One end of a connection of a scripted peer: reads and writes HTTP with code of its own, so that a mistake of the
// gateway's parser is not made twice.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/event.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/task.h"

namespace lotagate::simulation {

struct PeerHead {
  std::string first_line;
  std::vector<std::pair<std::string, std::string>> fields;

  // The value of the only field of this name (lower case); null for none or several.
  const std::string* only(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

// Nothing unless it is written exactly as RFC 9112 wants a sender to write it.
std::optional<PeerHead> parse_peer_head(std::string_view text);

// Why a read came to nothing.
enum class PeerEnd : std::uint8_t { open, closed, reset, too_slow };

class PeerStream {
 public:
  // Each wait for bytes takes at most `patience`.
  PeerStream(Reactor& reactor, SocketHandle handle, nanoseconds patience)
      : reactor_(reactor), socket_(reactor, handle), patience_(patience) {}

  FramePool& frames() { return reactor_.frames(); }
  Socket& socket() { return socket_; }
  PeerEnd end() const { return end_; }
  // Received and not taken yet.
  const std::string& pending() const { return pending_; }
  std::size_t received_bytes() const { return received_bytes_; }
  std::size_t sent_bytes() const { return sent_bytes_; }

  // Waits for a connect to end; false if it failed.
  Task<bool> connected();
  // Receives more; false at the end of the stream, of whatever kind.
  Task<bool> fill();
  // Up to and with the blank line. Nothing: end() says why, pending() what there was.
  Task<std::optional<std::string>> read_head();
  Task<std::optional<std::string>> read_line();
  Task<std::optional<std::string>> read_exactly(std::size_t bytes);
  // A chunked body, decoded; nothing if it ends early or is malformed.
  Task<std::optional<std::string>> read_chunks();
  Task<bool> write(std::string bytes);
  // In pieces of `piece_bytes`, with `pause` before each.
  Task<bool> write_slowly(std::string bytes, std::size_t piece_bytes, nanoseconds pause);

 private:
  Reactor& reactor_;
  Socket socket_;
  nanoseconds patience_;
  std::array<char, 4096> piece_;
  std::string pending_;
  std::size_t received_bytes_ = 0;
  std::size_t sent_bytes_ = 0;
  bool broken_ = false;
  PeerEnd end_ = PeerEnd::open;
};

}  // namespace lotagate::simulation
