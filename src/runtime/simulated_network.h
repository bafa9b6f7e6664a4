// A network inside one thread, with a clock that stands still until it is moved: what tests put behind Backend in the
// place of epoll. It behaves as Linux TCP shows itself through EpollBackend (backend_contract_test.cc runs one suite on
// both); what real networks do at bad moments comes from a seed, and the same seed gives the same run.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/backend.h"
#include "runtime/seeded_random.h"

namespace lotagate {

class SimulatedBackend;

struct SimulatedNetworkOptions {
  std::uint64_t seed = 1;
  // One way; drawn per connection and again per piece, so that connections overtake each other.
  nanoseconds min_latency{20'000};
  nanoseconds max_latency{200'000};
  // What one direction holds before the sender must wait; drawn per connection.
  std::size_t min_window_bytes = std::size_t{64} * 1024;
  std::size_t max_window_bytes = std::size_t{64} * 1024;
  unsigned split_permille = 0;         // a send arrives in several pieces, one after the other
  unsigned partial_send_permille = 0;  // a send takes less than there is room for
  std::size_t descriptors = 1u << 20;  // of all metered backends together
  bool trace = false;                  // every operation and arrival as a line on standard error
};

// How an operation of a metered backend goes wrong. What it means:
//            receive                          send                       connect          accept
//   reset    the connection is reset          the same                   fails at once    the connection was aborted
//   broken   ends in the middle: FIN          taken, lost, then reset    refused later    no descriptors left
//   stalled  nothing comes or goes any more   the same                   never answered   the connection was aborted
enum class SimulatedFailure : std::uint8_t { reset, broken, stalled };
inline constexpr std::size_t kSimulatedFailures = 3;

// Per mille of the operations of metered backends; the seed decides which, and which SimulatedFailure.
struct SimulatedFaults {
  unsigned receive = 0;
  unsigned send = 0;
  unsigned connect = 0;
  unsigned accept = 0;
};

// What an address is like to connect to when something listens there.
enum class Reachability : std::uint8_t { reachable, slow, black_hole };

// A send of a metered backend, and what its socket knew at that moment.
struct SimulatedSend {
  SocketAddress local;
  SocketAddress peer;
  bool outgoing;           // the backend had connected, not accepted
  std::string_view bytes;  // what was taken
  std::size_t unread;      // bytes that had arrived and were not received yet
  std::size_t received;    // bytes received on it before
  bool peer_closed;        // a FIN or a reset had arrived
};

class SimulatedNetwork {
 public:
  explicit SimulatedNetwork(const SimulatedNetworkOptions& options);
  // All backends are gone by then.
  ~SimulatedNetwork();
  SimulatedNetwork(const SimulatedNetwork&) = delete;
  SimulatedNetwork& operator=(const SimulatedNetwork&) = delete;

  MonotonicTime now() const { return now_; }
  WallTime wall_now() const { return wall_now_; }
  // Moves the clock, and delivers what arrives by then.
  void advance(MonotonicTime to);
  // When something arrives next; kNever if nothing is under way.
  MonotonicTime next_arrival() const;

  void set_reachability(const SocketAddress& address, Reachability reachability);
  void set_faults(const SimulatedFaults& faults) { faults_ = faults; }
  // The `nth` operation of metered backends from now on (1: the next) fails like `how`; 0: none.
  void fail_operation(std::uint64_t nth, SimulatedFailure how);
  // Operations of metered backends so far: receive, send, connect, accept.
  std::uint64_t operations() const { return operations_; }
  void on_send(std::function<void(const SimulatedSend&)> observer) { observer_ = std::move(observer); }

  // Open handles of metered backends, listeners included.
  std::size_t open_descriptors() const { return open_descriptors_; }
  // Limits them from now on; open ones stay.
  void limit_descriptors(std::size_t count) { options_.descriptors = count; }

 private:
  friend class SimulatedBackend;
  struct Connection;
  struct End;
  struct Listener;
  struct Arrival;
  enum class Operation : std::uint8_t { receive, send, connect, accept };

  void schedule(Arrival arrival, End& from);
  void arrive(Arrival& arrival);
  void arrive_data(const std::shared_ptr<Connection>& connection, std::size_t to, std::string_view bytes);
  void arrive_syn(const std::shared_ptr<Connection>& connection);
  void reset(End& end);
  void send_reset(const std::shared_ptr<Connection>& connection, std::size_t from);
  void break_connection(const std::shared_ptr<Connection>& connection, std::size_t at, SimulatedFailure how);
  void trace(const char* what, const End& end, std::size_t bytes, std::string_view text = {}) const;
  nanoseconds draw_latency();
  // The failure this operation of a metered backend has to have, if any.
  bool fails(Operation operation, SimulatedFailure& how);

  SimulatedNetworkOptions options_;
  SeededRandom random_;
  SimulatedFaults faults_;
  MonotonicTime now_;
  WallTime wall_now_;
  std::uint64_t arrivals_ = 0;      // keeps what arrives at one moment in order
  std::vector<Arrival> under_way_;  // a heap, the next first
  std::vector<Listener*> listeners_;
  std::map<SocketAddress, Reachability> reachability_;
  std::uint64_t operations_ = 0;
  std::uint64_t fail_at_ = 0;
  SimulatedFailure fail_how_ = SimulatedFailure::reset;
  std::function<void(const SimulatedSend&)> observer_;
  std::size_t open_descriptors_ = 0;
  std::uint16_t next_port_ = 32768;
};

// One host's, or one worker's, view of the network. `metered`: its operations count, may fail, and its descriptors are
// limited; the gateway's are, those of the peers of a test are not.
class SimulatedBackend final : public Backend {
 public:
  SimulatedBackend(SimulatedNetwork& network, bool metered);
  // Every handle is closed by then.
  ~SimulatedBackend() override;

  // The address the next connections come from.
  void set_source(const IpAddress& ip) { source_ = ip; }

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
  // Never blocks: what has arrived, perhaps nothing.
  std::size_t wait(MonotonicTime until, std::span<Event> events) override;
  void wake() override { woken_.store(true, std::memory_order_relaxed); }
  MonotonicTime now() override { return network_.now(); }
  WallTime wall_now() override { return network_.wall_now(); }

  // Whether whoever waits here would go on now.
  bool has_work() const;
  // How long it would wait if nothing arrived.
  MonotonicTime waits_until() const { return until_; }
  // Whether a failure has silenced the connection for ever.
  bool is_stalled(SocketHandle handle);
  std::size_t open_handles() const { return open_handles_; }

 private:
  friend class SimulatedNetwork;
  struct Slot;

  SocketHandle open(Slot slot);
  Slot& at(SocketHandle handle);
  bool descriptors_left() const;
  void notify(SimulatedNetwork::End& end);
  void notify(SimulatedNetwork::Listener& listener);
  void queue(SocketHandle handle);
  static Event state_of(const Slot& slot);

  SimulatedNetwork& network_;
  bool metered_;
  IpAddress source_;
  std::vector<Slot> slots_;         // by handle; the lowest free one is taken next, as the kernel does
  std::deque<SocketHandle> ready_;  // have an edge to report
  std::size_t open_handles_ = 0;
  std::atomic<bool> woken_{false};
  MonotonicTime until_ = MonotonicTime::min();
  bool slept_ = false;  // the last wait found nothing
};

// Runs loops over one network on one thread: whoever has work takes a turn, in an order drawn from the seed; when
// nobody has, the clock moves to what comes next.
class SimulatedLoops {
 public:
  SimulatedLoops(SimulatedNetwork& network, std::uint64_t seed) : network_(network), random_(seed) {}

  // `turn` waits on `backend` once and does what is to be done.
  void add(SimulatedBackend& backend, std::function<void()> turn);
  void remove(SimulatedBackend& backend);
  // One turn of one loop, or one move of the clock. False if nothing will ever happen again.
  bool step();

 private:
  struct Loop {
    SimulatedBackend* backend;
    std::function<void()> turn;
  };
  SimulatedNetwork& network_;
  SeededRandom random_;
  std::vector<Loop> loops_;
};

}  // namespace lotagate
