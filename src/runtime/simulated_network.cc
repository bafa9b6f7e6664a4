#include "runtime/simulated_network.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "runtime/simulated_connection.h"

namespace lotagate {
namespace {

// Any time will do, but the same one in every run: tests make tokens that are valid then. 2026-01-01T00:00:00Z.
constexpr WallTime kWallStart{seconds(1'767'225'600)};
constexpr MonotonicTime kMonotonicStart{seconds(1'000)};
constexpr std::size_t kBacklog = 128;
constexpr std::size_t kTracedBytes = 60;

}  // namespace

SimulatedNetwork::SimulatedNetwork(const SimulatedNetworkOptions& options)
    : options_(options), random_(options.seed), now_(kMonotonicStart), wall_now_(kWallStart) {}

SimulatedNetwork::~SimulatedNetwork() { LG_CHECK(open_descriptors_ == 0, "a handle outlives its network"); }

nanoseconds SimulatedNetwork::draw_latency() {
  return nanoseconds(
      static_cast<std::int64_t>(random_.between(static_cast<std::uint64_t>(options_.min_latency.count()),
                                                static_cast<std::uint64_t>(options_.max_latency.count()))));
}

MonotonicTime SimulatedNetwork::next_arrival() const { return under_way_.empty() ? kNever : under_way_.front().at; }

void SimulatedNetwork::advance(MonotonicTime to) {
  while (next_arrival() <= to) {
    std::ranges::pop_heap(under_way_, Arrival::later);
    Arrival arrival = std::move(under_way_.back());
    under_way_.pop_back();
    wall_now_ += arrival.at - now_;
    now_ = arrival.at;
    arrive(arrival);
  }
  if (to <= now_) return;
  wall_now_ += to - now_;
  now_ = to;
}

void SimulatedNetwork::set_reachability(const SocketAddress& address, Reachability reachability) {
  reachability_[address] = reachability;
}

void SimulatedNetwork::fail_operation(std::uint64_t nth, SimulatedFailure how) {
  fail_at_ = nth == 0 ? 0 : operations_ + nth;
  fail_how_ = how;
}

bool SimulatedNetwork::fails(Operation operation, SimulatedFailure& how) {
  if (++operations_ == fail_at_) {
    how = fail_how_;
    return true;
  }
  unsigned permille = 0;
  switch (operation) {
    case Operation::receive: permille = faults_.receive; break;
    case Operation::send: permille = faults_.send; break;
    case Operation::connect: permille = faults_.connect; break;
    case Operation::accept: permille = faults_.accept; break;
  }
  if (!random_.chance(permille)) return false;
  how = static_cast<SimulatedFailure>(random_.below(kSimulatedFailures));
  return true;
}

// `from` sends it: it arrives a latency from now, and not before what that end sent earlier.
void SimulatedNetwork::schedule(Arrival arrival, End& from) {
  arrival.at = std::max(now_ + arrival.connection->latency + draw_latency(), from.last_arrival);
  from.last_arrival = arrival.at;
  arrival.order = ++arrivals_;
  under_way_.push_back(std::move(arrival));
  std::ranges::push_heap(under_way_, Arrival::later);
}

void SimulatedNetwork::arrive(Arrival& arrival) {
  Connection& connection = *arrival.connection;
  End& end = connection.ends[arrival.to];
  End& sender = connection.ends[1 - arrival.to];
  using Kind = Arrival::Kind;
  constexpr std::array<const char*, 7> kNames{"syn", "established", "refused", "arrived", "room", "fin", "reset"};
  trace(kNames[static_cast<std::size_t>(arrival.kind)], end, arrival.bytes.size(), arrival.bytes);
  if (connection.stalled) return;
  if (arrival.kind == Kind::syn) return arrive_syn(arrival.connection);
  // TCP delivers in order: behind lost bytes an end is lost, too, and only a reset is seen.
  if (sender.loses_data && (arrival.kind == Kind::data || arrival.kind == Kind::fin)) return;
  if (arrival.kind == Kind::data) return arrive_data(arrival.connection, arrival.to, arrival.bytes);
  if (end.closed || end.dead) return;
  switch (arrival.kind) {
    case Kind::syn:
    case Kind::data: break;
    case Kind::established: end.connecting = false; break;
    case Kind::refused:
      end.connecting = false;
      end.dead = true;
      end.error = ECONNREFUSED;
      break;
    case Kind::room:
      end.unread_by_peer -= arrival.count;
      if (!end.wants_room || !connection.has_room(end)) return;
      end.wants_room = false;
      break;
    case Kind::fin: end.fin_received = true; break;
    case Kind::reset: return reset(end);
  }
  if (end.owner != nullptr) end.owner->notify(end);
}

void SimulatedNetwork::arrive_data(const std::shared_ptr<Connection>& connection, std::size_t to,
                                   std::string_view bytes) {
  End& end = connection->ends[to];
  if (end.dead) return;
  if (end.closed) {  // nobody is there any more: the kernel answers with a reset
    send_reset(connection, to);
    return;
  }
  end.received += bytes;
  if (end.owner != nullptr) end.owner->notify(end);
}

void SimulatedNetwork::arrive_syn(const std::shared_ptr<Connection>& connection) {
  End& client = connection->ends[0];
  End& server = connection->ends[1];
  if (client.closed || client.dead) return;
  std::vector<Listener*> found;
  for (Listener* listener : listeners_) {
    if (listener->address == server.local) found.push_back(listener);
  }
  if (found.empty()) {
    schedule({.connection = connection, .to = 0, .kind = Arrival::Kind::refused, .bytes = {}}, server);
    return;
  }
  Listener& listener = *found[random_.below(found.size())];
  if (listener.waiting.size() >= kBacklog) return;
  listener.waiting.push_back(connection);
  listener.owner->notify(listener);
  schedule({.connection = connection, .to = 0, .kind = Arrival::Kind::established, .bytes = {}}, server);
}

void SimulatedNetwork::trace(const char* what, const End& end, std::size_t bytes, std::string_view text) const {
  if (!options_.trace) return;
  double at = std::chrono::duration<double, std::milli>(now_ - kMonotonicStart).count();
  std::string shown(text.substr(0, std::min(text.find('\r'), kTracedBytes)));
  std::fprintf(stderr, "%12.6f ms  %-21s %-21s %-16s %6zu %s\n", at, to_string(end.local).c_str(),
               to_string(end.peer).c_str(), what, bytes, shown.c_str());
}

// A reset has arrived. What was received before can still be read, as on Linux.
void SimulatedNetwork::reset(End& end) {
  if (end.closed || end.dead) return;
  end.dead = true;
  end.connecting = false;
  end.error = end.fin_received ? EPIPE : ECONNRESET;
  if (end.owner != nullptr) end.owner->notify(end);
}

// End `from` resets the connection: the other end hears of it.
void SimulatedNetwork::send_reset(const std::shared_ptr<Connection>& connection, std::size_t from) {
  schedule({.connection = connection, .to = 1 - from, .kind = Arrival::Kind::reset, .bytes = {}},
           connection->ends[from]);
}

void SimulatedNetwork::break_connection(const std::shared_ptr<Connection>& connection, std::size_t at,
                                        SimulatedFailure how) {
  End& end = connection->ends[at];
  End& peer = connection->ends[1 - at];
  trace("FAILS", end, static_cast<std::size_t>(how));
  switch (how) {
    case SimulatedFailure::reset:
      send_reset(connection, at);
      reset(end);
      break;
    case SimulatedFailure::broken:  // the peer died, and something in between ended the connection in order
      peer.loses_data = true;
      end.fin_received = true;
      end.received.resize(end.received_begin);
      send_reset(connection, at);
      if (end.owner != nullptr) end.owner->notify(end);
      break;
    case SimulatedFailure::stalled: connection->stalled = true; break;
  }
}

void SimulatedLoops::add(SimulatedBackend& backend, std::function<void()> turn) {
  loops_.push_back({&backend, std::move(turn)});
}

void SimulatedLoops::remove(SimulatedBackend& backend) {
  std::erase_if(loops_, [&](const Loop& loop) { return loop.backend == &backend; });
}

bool SimulatedLoops::step() {
  std::size_t first = random_.below(loops_.size());
  MonotonicTime next = network_.next_arrival();
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    Loop& loop = loops_[(first + i) % loops_.size()];
    if (loop.backend->has_work()) {
      loop.turn();
      return true;
    }
    next = std::min(next, loop.backend->waits_until());
  }
  if (next == kNever) return false;
  network_.advance(next);
  return true;
}

}  // namespace lotagate
