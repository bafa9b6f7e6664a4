// Scripted services: what the gateway forwards to. They live on the peers' loop, may die, and may come back.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulation/ledger.h"
#include "gateway/simulation/peer.h"
#include "runtime/simulated_network.h"

namespace lotagate::simulation {

// Listens and serves until it dies; what it serves is up to the class.
class Server {
 public:
  Server(Reactor& reactor, SocketAddress address) : reactor_(reactor), address_(address) {}
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  FramePool& frames() { return reactor_.frames(); }
  // Within a turn of the peers' loop: like all that is done here.
  void start();
  // Resets every connection and stops listening; start() may follow once ended().
  void die();
  bool ended() const { return running_ == 0; }
  // How long it keeps a connection that asks nothing.
  void set_patience(nanoseconds patience) { patience_ = patience; }

 protected:
  // Serves one connection to its end; `from` is the gateway's address of it.
  virtual Task<void> serve(PeerStream& stream, SocketAddress from) = 0;
  Reactor& reactor() { return reactor_; }
  const SocketAddress& address() const { return address_; }

 private:
  Task<void> accept_loop();
  Task<void> run(Accepted accepted);

  Reactor& reactor_;
  SocketAddress address_;
  nanoseconds patience_ = seconds(30);
  std::unique_ptr<Socket> listener_;
  std::vector<PeerStream*> streams_;
  std::size_t running_ = 0;
};

// Does with each request what the plan in its query says, and checks what arrives.
class EchoService final : public Server {
 public:
  EchoService(Reactor& reactor, SocketAddress address, Ledger& ledger) : Server(reactor, address), ledger_(ledger) {}

 private:
  Task<void> serve(PeerStream& stream, SocketAddress from) override;
  // One request and its answer; true if the connection may carry another.
  Task<bool> serve_one(PeerStream& stream, SocketAddress from);
  Entry* check_head(const PeerHead& head);
  // Switches to WebSocket, sends and takes what was agreed, and waits for the end.
  Task<void> tunnel(PeerStream& stream, Entry& entry);
  Task<bool> read_body(PeerStream& stream, const PeerHead& head, const Entry& entry);
  Task<bool> answer(PeerStream& stream, SocketAddress from, Entry& entry, AnswerFault fault);
  Task<bool> send(PeerStream& stream, SocketAddress from, const Entry& entry, AnswerFault fault);

  Ledger& ledger_;
};

// The API key of `subject`; the User Management Service knows those of the users it knows.
std::string api_key_of(std::string_view subject);

// How the User Management Service sends its answers; trickling, a byte at a time keeps every time-out for progress
// away.
enum class Manner : std::uint8_t { whole, trickles_head, trickles_body };

// The User Management Service. `faults_permille` of its answers are late, wrong or missing.
class UserService final : public Server {
 public:
  UserService(Reactor& reactor, SocketAddress address, Ledger& ledger, std::uint64_t seed);
  void set_faults(unsigned permille) { faults_permille_ = permille; }
  void set_manner(Manner manner) { manner_ = manner; }
  // Before every answer.
  void set_delay(nanoseconds delay) { delay_ = delay; }
  std::size_t answers() const { return answers_; }

 private:
  Task<void> serve(PeerStream& stream, SocketAddress from) override;
  Task<bool> send(PeerStream& stream, std::string answer);
  // The answer to a look-up, or nothing if it is none.
  std::optional<std::string> answer_to(const PeerHead& head) const;
  Task<void> answer_badly(PeerStream& stream, SocketAddress from, const std::string& good_answer);

  Ledger& ledger_;
  SeededRandom random_;
  std::map<std::string, std::string, std::less<>> key_owners_;  // by digest
  unsigned faults_permille_ = 0;
  Manner manner_ = Manner::whole;
  nanoseconds delay_{0};
  std::size_t answers_ = 0;
};

}  // namespace lotagate::simulation
