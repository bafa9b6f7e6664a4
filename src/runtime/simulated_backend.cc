// The operations of Backend on a SimulatedNetwork.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "runtime/simulated_connection.h"
#include "runtime/simulated_network.h"

namespace lotagate {
namespace {

constexpr seconds kSlowConnect{1};
constexpr SocketHandle kFirstHandle = 3;  // as in a process that has its standard streams

std::string gather_bytes(std::span<const iovec> parts) {
  std::string bytes;
  for (const iovec& part : parts) bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  return bytes;
}

}  // namespace

SimulatedBackend::SimulatedBackend(SimulatedNetwork& network, bool metered) : network_(network), metered_(metered) {
  source_.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1};
}

SimulatedBackend::~SimulatedBackend() { LG_CHECK(open_handles_ == 0, "a handle outlives its backend"); }

SocketHandle SimulatedBackend::open(Slot slot) {
  auto free = std::ranges::find_if(slots_, &Slot::is_free);
  auto index = static_cast<std::size_t>(free - slots_.begin());
  if (free == slots_.end()) {
    slots_.push_back(std::move(slot));
  } else {
    *free = std::move(slot);
  }
  ++open_handles_;
  if (metered_) ++network_.open_descriptors_;
  return static_cast<SocketHandle>(index) + kFirstHandle;
}

SimulatedBackend::Slot& SimulatedBackend::at(SocketHandle handle) {
  auto index = static_cast<std::size_t>(handle - kFirstHandle);
  LG_CHECK(index < slots_.size() && !slots_[index].is_free(), "a handle that is not open");
  return slots_[index];
}

bool SimulatedBackend::descriptors_left() const {
  return !metered_ || network_.open_descriptors_ < network_.options_.descriptors;
}

std::expected<SocketHandle, int> SimulatedBackend::listen(const SocketAddress& address) {
  if (!descriptors_left()) return std::unexpected(EMFILE);
  auto listener = std::make_unique<SimulatedNetwork::Listener>();
  auto* raw = listener.get();
  *raw = {.owner = this, .handle = kNoSocket, .address = address, .waiting = {}};
  if (address.port == 0) raw->address.port = network_.next_port_++;
  Slot slot;
  slot.listener = std::move(listener);
  raw->handle = open(std::move(slot));
  network_.listeners_.push_back(raw);
  return raw->handle;
}

SocketAddress SimulatedBackend::local_address(SocketHandle handle) {
  Slot& slot = at(handle);
  return slot.listener ? slot.listener->address : slot.self().local;
}

std::expected<Accepted, AcceptStatus> SimulatedBackend::accept(SocketHandle handle) {
  SimulatedNetwork::Listener& listener = *at(handle).listener;
  SimulatedFailure how;
  if (metered_ && network_.fails(SimulatedNetwork::Operation::accept, how)) {
    if (how == SimulatedFailure::broken) return std::unexpected(AcceptStatus::no_descriptors);
    if (!listener.waiting.empty()) {
      network_.break_connection(listener.waiting.front(), 1, SimulatedFailure::reset);
      listener.waiting.front()->ends[1].closed = true;
      listener.waiting.pop_front();
    }
    return std::unexpected(AcceptStatus::aborted);
  }
  if (listener.waiting.empty()) return std::unexpected(AcceptStatus::would_block);
  if (!descriptors_left()) return std::unexpected(AcceptStatus::no_descriptors);
  auto connection = std::move(listener.waiting.front());
  listener.waiting.pop_front();
  SimulatedNetwork::End& end = connection->ends[1];
  SocketAddress peer = end.peer;
  Slot slot;
  slot.connection = std::move(connection);
  slot.end = 1;
  end.owner = this;
  end.handle = open(std::move(slot));
  return Accepted{end.handle, peer};
}

std::expected<SocketHandle, int> SimulatedBackend::connect(const SocketAddress& address) {
  auto reach = network_.reachability_.find(address);
  Reachability reachability = reach == network_.reachability_.end() ? Reachability::reachable : reach->second;
  SimulatedFailure how;
  bool refused = false;
  if (metered_ && network_.fails(SimulatedNetwork::Operation::connect, how)) {
    if (how == SimulatedFailure::reset) return std::unexpected(ENETUNREACH);
    refused = how == SimulatedFailure::broken;
    if (how == SimulatedFailure::stalled) reachability = Reachability::black_hole;
  }
  if (!descriptors_left()) return std::unexpected(EMFILE);
  auto connection = std::make_shared<SimulatedNetwork::Connection>();
  connection->latency = network_.draw_latency();
  connection->window_bytes =
      network_.random_.between(network_.options_.min_window_bytes, network_.options_.max_window_bytes);
  SimulatedNetwork::End& client = connection->ends[0];
  SimulatedNetwork::End& server = connection->ends[1];
  client.local = {source_, network_.next_port_++};
  client.peer = address;
  client.outgoing = true;
  client.connecting = true;
  client.owner = this;
  server.local = address;
  server.peer = client.local;
  Slot slot;
  slot.connection = connection;
  slot.end = 0;
  client.handle = open(std::move(slot));
  using Kind = SimulatedNetwork::Arrival::Kind;
  if (refused) {
    network_.schedule({.connection = connection, .to = 0, .kind = Kind::refused, .bytes = {}}, server);
    return client.handle;
  }
  if (reachability == Reachability::black_hole) return client.handle;
  if (reachability == Reachability::slow) client.last_arrival = network_.now() + kSlowConnect;
  network_.schedule({.connection = connection, .to = 1, .kind = Kind::syn, .bytes = {}}, client);
  return client.handle;
}

bool SimulatedBackend::is_stalled(SocketHandle handle) { return at(handle).connection->stalled; }

int SimulatedBackend::connect_error(SocketHandle handle) { return std::exchange(at(handle).self().error, 0); }

void SimulatedBackend::watch(SocketHandle handle, std::uint64_t token) {
  Slot& slot = at(handle);
  LG_CHECK(!slot.watched, "a handle is watched twice");
  slot.token = token;
  slot.watched = true;
  queue(handle);  // what is true already is the first edge
}

IoResult SimulatedBackend::receive(SocketHandle handle, std::span<char> into) {
  Slot& slot = at(handle);
  SimulatedNetwork::End& end = slot.self();
  SimulatedFailure how;
  if (metered_ && network_.fails(SimulatedNetwork::Operation::receive, how)) {
    network_.break_connection(slot.connection, slot.end, how);
  }
  std::size_t bytes = std::min(into.size(), end.unread());
  network_.trace("receive", end, bytes);
  if (bytes > 0) {
    std::copy_n(end.received.data() + end.received_begin, bytes, into.data());
    end.received_begin += bytes;
    end.taken_bytes += bytes;
    if (end.unread() == 0) {
      end.received.clear();
      end.received_begin = 0;
    }
    SimulatedNetwork::Arrival room{.connection = slot.connection,
                                   .to = 1 - slot.end,
                                   .kind = SimulatedNetwork::Arrival::Kind::room,
                                   .bytes = {},
                                   .count = bytes};
    if (!end.dead) network_.schedule(std::move(room), end);
    return {IoStatus::ok, bytes};
  }
  if (end.fin_received) return {IoStatus::closed};
  if (end.dead) return {std::exchange(end.error, 0) != 0 ? IoStatus::reset : IoStatus::closed};
  return {IoStatus::would_block};
}

IoResult SimulatedBackend::send(SocketHandle handle, std::span<const iovec> parts) {
  Slot& slot = at(handle);
  SimulatedNetwork::Connection& connection = *slot.connection;
  SimulatedNetwork::End& end = slot.self();
  SimulatedFailure how;
  if (metered_ && network_.fails(SimulatedNetwork::Operation::send, how)) {
    if (how == SimulatedFailure::broken) {  // taken by the kernel, and never seen again
      end.loses_data = true;
      SimulatedNetwork::Arrival answer{
          .connection = slot.connection, .to = slot.end, .kind = SimulatedNetwork::Arrival::Kind::reset, .bytes = {}};
      network_.schedule(std::move(answer), connection.ends[1 - slot.end]);
      network_.send_reset(slot.connection, slot.end);
    } else {
      network_.break_connection(slot.connection, slot.end, how);
    }
  }
  if (end.dead || end.write_shut) {
    end.error = 0;
    return {IoStatus::reset};
  }
  std::size_t room = end.connecting ? 0 : connection.room(end);
  std::string bytes = gather_bytes(parts);
  if (bytes.size() > room) end.wants_room = true;
  if (room == 0 && !bytes.empty()) return {IoStatus::would_block};
  bytes.resize(std::min(bytes.size(), room));
  if (network_.random_.chance(network_.options_.partial_send_permille)) {
    bytes.resize(std::min<std::size_t>(bytes.size(), network_.random_.between(1, bytes.size() + 1)));
  }
  if (metered_ && network_.observer_) {
    network_.observer_({.local = end.local,
                        .peer = end.peer,
                        .outgoing = end.outgoing,
                        .bytes = bytes,
                        .unread = end.unread(),
                        .received = end.taken_bytes,
                        .peer_closed = end.fin_received});
  }
  network_.trace("send", end, bytes.size(), bytes);
  end.unread_by_peer += bytes.size();
  std::size_t taken = bytes.size();
  while (!bytes.empty()) {
    std::size_t piece = bytes.size();
    if (network_.random_.chance(network_.options_.split_permille)) piece = network_.random_.between(1, bytes.size());
    SimulatedNetwork::Arrival data{.connection = slot.connection,
                                   .to = 1 - slot.end,
                                   .kind = SimulatedNetwork::Arrival::Kind::data,
                                   .bytes = bytes.substr(0, piece)};
    network_.schedule(std::move(data), end);
    bytes.erase(0, piece);
  }
  return {IoStatus::ok, taken};
}

void SimulatedBackend::shutdown_write(SocketHandle handle) {
  Slot& slot = at(handle);
  SimulatedNetwork::End& end = slot.self();
  if (end.write_shut || end.dead) return;
  end.write_shut = true;
  SimulatedNetwork::Arrival fin{
      .connection = slot.connection, .to = 1 - slot.end, .kind = SimulatedNetwork::Arrival::Kind::fin, .bytes = {}};
  network_.schedule(std::move(fin), end);
  notify(end);  // Linux wakes whoever polls: with a FIN seen before, this makes a hangup
}

void SimulatedBackend::close(SocketHandle handle, bool abort) {
  Slot& slot = at(handle);
  if (slot.listener) {
    std::erase(network_.listeners_, slot.listener.get());
    for (auto& waiting : slot.listener->waiting) {
      waiting->ends[1].closed = true;
      network_.send_reset(waiting, 1);
    }
  } else {
    SimulatedNetwork::End& end = slot.self();
    network_.trace(abort ? "abort" : "close", end, end.unread());
    if (!end.dead) {
      // A close with unread bytes is a reset, too (RFC 9293 3.6.1, RFC 2525 2.17).
      if (abort || end.unread() > 0 || end.connecting) {
        end.loses_data = abort && network_.random_.chance(500);
        network_.send_reset(slot.connection, slot.end);
      } else if (!end.write_shut) {
        shutdown_write(handle);
      }
    }
    end.closed = true;
    end.owner = nullptr;
  }
  slot = Slot();
  --open_handles_;
  if (metered_) --network_.open_descriptors_;
}

void SimulatedBackend::notify(SimulatedNetwork::End& end) { queue(end.handle); }

void SimulatedBackend::notify(SimulatedNetwork::Listener& listener) { queue(listener.handle); }

void SimulatedBackend::queue(SocketHandle handle) {
  Slot& slot = at(handle);
  if (!slot.watched || slot.queued) return;
  slot.queued = true;
  ready_.push_back(handle);
}

bool SimulatedBackend::has_work() const {
  return !slept_ || !ready_.empty() || woken_.load(std::memory_order_relaxed) || until_ <= network_.now();
}

// Like epoll with EPOLLET: who had an edge is reported once, with everything that is true of it by now.
std::size_t SimulatedBackend::wait(MonotonicTime until, std::span<Event> events) {
  bool woken = woken_.exchange(false, std::memory_order_relaxed);
  std::size_t filled = 0;
  while (!ready_.empty() && filled < events.size()) {
    SocketHandle handle = ready_.front();
    ready_.pop_front();
    auto index = static_cast<std::size_t>(handle - kFirstHandle);
    if (slots_[index].is_free() || !slots_[index].queued) continue;  // closed meanwhile
    Slot& slot = slots_[index];
    slot.queued = false;
    Event event = state_of(slot);
    if (event.readable || event.writable || event.peer_closed) events[filled++] = event;
  }
  until_ = until;
  slept_ = filled == 0 && !woken && until > network_.now();
  return filled;
}

// The flags that tcp_poll() would give, as EpollBackend reads them.
Event SimulatedBackend::state_of(const Slot& slot) {
  if (slot.listener) {
    return {.token = slot.token,
            .readable = !slot.listener->waiting.empty(),
            .writable = false,
            .peer_closed = false,
            .failed = false};
  }
  const SimulatedNetwork::End& end = slot.self();
  bool hangup = end.dead || (end.fin_received && end.write_shut);
  bool writable = !end.connecting && (end.write_shut || slot.connection->has_room(end));
  return {.token = slot.token,
          .readable = end.unread() > 0 || end.fin_received || hangup,
          .writable = writable || hangup,
          .peer_closed = end.fin_received || hangup,
          .failed = hangup};
}

}  // namespace lotagate
