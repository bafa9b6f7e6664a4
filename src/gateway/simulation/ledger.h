// What happened to each request of a simulation, as its client, the services and the access log saw it; and what must
// never happen.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulation/plan.h"
#include "runtime/simulated_network.h"

namespace lotagate::simulation {

// How an exchange ended for its client.
enum class Outcome : std::uint8_t {
  none,   // never sent, or the connection ended before the first byte of an answer
  whole,  // a whole answer, of the service or of the gateway
  cut,    // visibly broken off
};

struct Entry {
  std::uint64_t nonce = 0;
  RequestPlan plan;
  bool sent = false;  // some of it
  std::string from;   // the client's address
  // At the services
  int arrivals = 0;     // times a service read its whole head
  int departures = 0;   // times the gateway sent its first bytes
  bool served = false;  // a service had the whole request and began to answer as planned
  // At the client
  Outcome outcome = Outcome::none;
  bool abandoned = false;  // the client went away by itself
  int status = 0;
  std::string request_id;
  std::string code;  // of an error of the gateway
  // In the access log
  int lines = 0;
};

class Ledger {
 public:
  // A new request; stays where it is.
  Entry& add(RequestPlan plan);
  Entry* find(std::uint64_t nonce);
  // By the "/n<nonce>-" in a path; null if there is none.
  Entry* find_in(std::string_view path);
  std::deque<Entry>& entries() { return entries_; }

  void violation(std::string text) { violations_.push_back(std::move(text)); }
  const std::vector<std::string>& violations() const { return violations_; }

  // Connections may end in order before all was sent: a body that the end of its connection ends may be short then.
  void expect_early_ends() { early_ends_ = true; }
  bool early_ends() const { return early_ends_; }
  // Connections may end between two requests for reasons of their own: faults, a drain, caps.
  void expect_unanswered() { unanswered_ = true; }
  // A request that lay there when its connection ended in order, though the answer before had not said so.
  void left_unanswered(const Entry& entry);
  // The limits are not those of simulated_config().
  void expect_other_limits() { other_limits_ = true; }
  // A send of the gateway: how often it offered a request, and whether the connection was fit for one.
  void observe(const SimulatedSend& send);
  // On the connection that the gateway has at `local`: a service has begun an exchange, or has written its whole
  // answer.
  void exchange_began(const SocketAddress& local) { unfinished_.insert(local); }
  void exchange_ended(const SocketAddress& local) { unfinished_.erase(local); }
  // Behind these many bytes of it comes what belongs to no answer, or to the last: who has received any of that must
  // not send another request on it.
  void spoil(const SocketAddress& local, std::size_t bytes) { spoiled_.try_emplace(local, bytes); }
  // Reads what the access log wrote; true totals come from the metrics.
  void read_log(std::string_view lines);
  std::size_t log_lines() const { return records_.size(); }
  // What must hold of every request when all is over; `elapsed` since the first.
  void check(nanoseconds elapsed);

 private:
  void check(const Entry& entry);
  void check_limits(nanoseconds elapsed);

  std::deque<Entry> entries_;
  std::vector<std::string> violations_;
  std::set<SocketAddress> unfinished_;
  std::map<SocketAddress, std::size_t> spoiled_;
  std::set<SocketAddress> used_;                     // have carried a request
  std::map<std::string, int, std::less<>> records_;  // status by request id
  bool early_ends_ = false;
  bool other_limits_ = false;
  bool unanswered_ = false;
};

}  // namespace lotagate::simulation
