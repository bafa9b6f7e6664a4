// The store as a whole: one Redis server, its copies, or a Redis Cluster. Finds the server for a key, follows
// redirections, loads scripts.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "limit/lease_script.h"
#include "limit/redis_connection.h"
#include "limit/shared_policy.h"

namespace lotagate::limit {

// A run of a script on one key, and what became of it.
struct StoreRequest {
  enum class Outcome : std::uint8_t {
    waiting,
    answered,
    refused,   // an error about this key only: it did not happen
    not_sent,  // its server cannot be reached, or refused everything: it did not happen
    lost,      // the connection broke: it may have happened
  };
  const RedisScript* script = nullptr;
  std::string key;
  std::vector<std::string> arguments;
  Outcome outcome = Outcome::waiting;
  RedisReply reply = {};
  bool asking = false;         // the next server is told that the slot is on its way to it
  std::size_t asked_node = 0;  // that server
};

struct StoreCounters {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t round_trips = 0;
};

// For one thread. Blocks, for about a timeout per server and round at most.
class RedisStore {
 public:
  explicit RedisStore(StoreSettings settings) : settings_(std::move(settings)) {}

  // Finds a server, beginning after the one that was used last. The error names the servers and why.
  std::expected<void, std::string> open(MonotonicTime now);
  void close();

  // Runs all requests, each to an outcome. An error when the store as a whole cannot be used any more; in a cluster a
  // lost server is that of its keys only.
  std::expected<void, std::string> run(std::span<StoreRequest> requests, MonotonicTime now);

  bool is_cluster() const { return cluster_; }
  std::string server() const;                              // that open() found
  const std::string& failure() const { return failure_; }  // the last one of the last run
  const StoreCounters& counters() const { return counters_; }
  // How often a server of a cluster was lost: a copy that lags behind may have taken its place.
  std::uint32_t losses() const { return losses_; }

  // The slot of a key (Redis Cluster specification: CRC16 of the hash tag, if there is one).
  static std::uint16_t slot_of(std::string_view key) noexcept;

 private:
  struct Node {
    StoreAddress address;
    std::unique_ptr<RedisConnection> connection = nullptr;
    MonotonicTime retry_at{};
    bool load_scripts = false;
    std::string refuses_scripts = {};  // why
    std::vector<StoreRequest*> sent = {};
  };

  std::expected<void, std::string> open_server(const StoreAddress& address, bool follow, MonotonicTime now);
  bool learn_slots(RedisConnection& connection, const StoreAddress& address);
  std::size_t node_of(const StoreAddress& address);
  bool ready(Node& node, MonotonicTime now);
  bool send(Node& node);
  void receive(Node& node, std::vector<StoreRequest*>& again, MonotonicTime now);
  // Whether the request is to be sent once more.
  bool is_to_repeat(Node& node, StoreRequest& request);
  bool follow(const Node& node, StoreRequest& request, std::string_view error);
  void lose(Node& node, std::size_t first, MonotonicTime now);
  void fail(const Node& node, std::string_view why);
  void refresh();

  const StoreSettings settings_;
  std::size_t next_server_ = 0;
  bool cluster_ = false;
  bool slots_are_old_ = false;
  std::string failure_;
  bool unusable_ = false;             // a server said in this run that the store as a whole cannot be used
  std::deque<Node> nodes_;            // references stay good while new ones become known
  std::vector<std::uint16_t> slots_;  // the node of each slot, in a cluster
  StoreCounters counters_;
  std::uint32_t losses_ = 0;
};

}  // namespace lotagate::limit
