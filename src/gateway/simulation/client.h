// A scripted client: sends planned requests over one connection after another and judges what comes back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gateway/simulation/ledger.h"
#include "gateway/simulation/peer.h"
#include "runtime/simulated_network.h"

namespace lotagate::simulation {

struct ClientPlan {
  std::vector<RequestPlan> requests = {};
  bool pipelined = false;              // sends everything before it reads the first answer
  std::optional<IpAddress> from = {};  // the address it comes from
  nanoseconds before{0};               // waits so long before the first request
  nanoseconds between{0};              // and between two
  std::size_t piece_bytes = 0;         // sends in pieces of this size, with a pause before each; 0: at once
  nanoseconds pause = milliseconds(1);
  std::optional<std::size_t> reset_after = {};  // bytes sent, of the whole connection; then it resets
  bool half_close = false;                      // ends its sending side behind the last request
  bool never_reads = false;                     // and resets after a while
};

class Client {
 public:
  // `ledger` gets an entry for every request of the plan.
  Client(Reactor& reactor, SimulatedBackend& backend, SocketAddress gateway, Ledger& ledger, ClientPlan plan);

  FramePool& frames() { return reactor_.frames(); }
  // Within a turn of the peers' loop.
  void start();
  bool ended() const { return ended_; }
  const std::vector<Entry*>& entries() const { return entries_; }
  // The body of the answer to the last request that got one.
  const std::string& last_body() const { return last_body_; }

 private:
  struct Answer {
    PeerHead head;
    int status = 0;
    std::string body;
  };

  Task<void> run();
  Task<void> one_by_one();
  Task<void> pipeline();
  Task<bool> open();
  Task<bool> send(const std::string& bytes);
  // Reads the answer to `entry` and judges it; true if the connection may go on.
  Task<bool> receive(Entry& entry);
  Task<std::optional<PeerHead>> receive_final_head(const Entry& entry);
  Task<bool> tunnel(const Entry& entry, Answer& answer);
  Task<bool> receive_body(const Entry& entry, Answer& answer, bool& keep);
  void judge(Entry& entry, const Answer& answer);
  bool forgotten() const;
  void cut(Entry& entry);
  Task<void> abandon();

  Reactor& reactor_;
  SimulatedBackend& backend_;
  SocketAddress gateway_;
  Ledger& ledger_;
  ClientPlan plan_;
  std::vector<Entry*> entries_;
  std::unique_ptr<PeerStream> stream_;
  std::size_t sent_ = 0;  // on this connection
  std::string last_body_;
  bool ended_ = false;
};

}  // namespace lotagate::simulation
