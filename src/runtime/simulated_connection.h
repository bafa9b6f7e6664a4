// What a connection, a listener and bytes under way are: private to simulated_network.cc and simulated_backend.cc.
#pragma once

#include <array>
#include <cerrno>

#include "runtime/simulated_network.h"

namespace lotagate {

// One end of a connection, as the kernel of its host sees it.
struct SimulatedNetwork::End {
  SimulatedBackend* owner = nullptr;  // null: not accepted yet, or closed
  SocketHandle handle = kNoSocket;
  SocketAddress local;
  SocketAddress peer;
  std::string received;  // arrived, not received from received_begin on
  std::size_t received_begin = 0;
  std::size_t taken_bytes = 0;     // received in all
  std::size_t unread_by_peer = 0;  // sent, and not yet received at the other end
  MonotonicTime last_arrival{};    // of what was sent: the next cannot overtake it
  int error = 0;                   // what SO_ERROR would say; reported once
  bool outgoing = false;
  bool connecting = false;
  bool closed = false;  // the handle is gone
  bool fin_received = false;
  bool write_shut = false;
  bool dead = false;        // reset, or refused
  bool wants_room = false;  // a send did not get everything in: room makes an edge
  bool loses_data = false;  // what it has under way never arrives

  std::size_t unread() const { return received.size() - received_begin; }
};

struct SimulatedNetwork::Connection {
  std::array<End, 2> ends;  // who connected, who accepted
  nanoseconds latency{0};
  std::size_t window_bytes = 0;
  bool stalled = false;

  std::size_t room(const End& end) const { return window_bytes - std::min(window_bytes, end.unread_by_peer); }
  // Linux: writable again when a third is free.
  bool has_room(const End& end) const { return room(end) >= std::max<std::size_t>(window_bytes / 3, 1); }
  std::size_t index_of(const End& end) const { return &end == &ends[1] ? 1 : 0; }
};

struct SimulatedNetwork::Listener {
  SimulatedBackend* owner;
  SocketHandle handle;
  SocketAddress address;
  std::deque<std::shared_ptr<Connection>> waiting;
};

struct SimulatedNetwork::Arrival {
  enum class Kind : std::uint8_t { syn, established, refused, data, room, fin, reset };
  MonotonicTime at{};
  std::uint64_t order = 0;
  std::shared_ptr<Connection> connection;
  std::size_t to = 0;  // which end
  Kind kind = Kind::data;
  std::string bytes;
  std::size_t count = 0;  // kind room

  // For a heap with the next on top.
  static bool later(const Arrival& a, const Arrival& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }
};

struct SimulatedBackend::Slot {
  std::shared_ptr<SimulatedNetwork::Connection> connection;  // one of both, or neither: free
  std::unique_ptr<SimulatedNetwork::Listener> listener;
  std::size_t end = 0;
  std::uint64_t token = 0;
  bool watched = false;
  bool queued = false;

  bool is_free() const { return !connection && !listener; }
  SimulatedNetwork::End& self() const { return connection->ends[end]; }
};

}  // namespace lotagate
