#include "limit/redis_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "limit/redis_answers.h"

namespace lotagate::limit {
namespace {

constexpr int kRounds = 6;                // a script to load and a few redirections
constexpr std::size_t kMostNodes = 1000;  // the most that Redis Cluster is made for

std::string name_of(const StoreAddress& address) { return fmt::format("{}:{}", address.host, address.port); }

// CRC-16/XMODEM, as the Redis Cluster specification asks.
std::uint16_t crc16(std::string_view bytes) noexcept {
  std::uint16_t crc = 0;
  for (const char c : bytes) {
    crc = static_cast<std::uint16_t>(crc ^ (static_cast<unsigned char>(c) << 8));
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<std::uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
  }
  return crc;
}

}  // namespace

std::uint16_t RedisStore::slot_of(std::string_view key) noexcept {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  return crc16(key) % kSlots;
}

std::string RedisStore::server() const { return nodes_.empty() ? std::string("none") : name_of(nodes_[0].address); }

void RedisStore::close() {
  nodes_.clear();
  slots_.clear();
  cluster_ = false;
}

std::expected<void, std::string> RedisStore::open(MonotonicTime now) {
  close();
  std::string why = "no servers";
  for (std::size_t i = 0; i < settings_.servers.size(); ++i) {
    const StoreAddress& address = settings_.servers[(next_server_ + i) % settings_.servers.size()];
    auto opened = open_server(address, true, now);
    if (opened) {
      next_server_ = (next_server_ + i + 1) % settings_.servers.size();  // whoever asks again had no luck with this one
      return {};
    }
    why = fmt::format("{}: {}", name_of(address), opened.error());
  }
  return std::unexpected(why);
}

// A copy says who its master is; following it once saves the search.
std::expected<void, std::string> RedisStore::open_server(const StoreAddress& address, bool follow, MonotonicTime now) {
  auto connection = RedisConnection::connect(address, settings_);
  if (!connection) return std::unexpected(connection.error());
  constexpr std::array<std::string_view, 1> kRole{"ROLE"};
  const RedisReply role =
      (*connection)->command(kRole);  // an error: not allowed to ask, then the first write will tell
  cluster_ = learn_slots(**connection, address);
  if ((*connection)->broken()) return std::unexpected((*connection)->error());
  if (!cluster_ && role.at(0).text() == "slave") {
    if (!follow) return std::unexpected("its master is a copy itself");
    const auto master = told_address(role.at(1).text(), role.at(2).integer(), address);
    if (!master) return std::unexpected("a copy without a master");
    auto opened = open_server(*master, false, now);
    if (!opened) return std::unexpected(fmt::format("a copy of {}: {}", name_of(*master), opened.error()));
    return {};
  }
  Node& node = nodes_[node_of(address)];
  node.connection = std::move(*connection);
  return {};
}

// False: this is no cluster.
bool RedisStore::learn_slots(RedisConnection& connection, const StoreAddress& address) {
  constexpr std::array<std::string_view, 2> kCommand{"CLUSTER", "SLOTS"};
  const RedisReply reply = connection.command(kCommand);
  if (!reply || reply.is_error()) return false;
  if (slots_.empty()) slots_.assign(kSlots, static_cast<std::uint16_t>(node_of(address)));
  for (const SlotRange& range : parse_slots(reply, address)) {
    const auto node = static_cast<std::uint16_t>(node_of(range.master));
    for (std::size_t slot = range.first; slot <= range.last; ++slot) slots_[slot] = node;
  }
  slots_are_old_ = false;
  return true;
}

std::size_t RedisStore::node_of(const StoreAddress& address) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].address == address) return i;
  }
  if (nodes_.size() == kMostNodes) return 0;
  nodes_.push_back({.address = address});
  return nodes_.size() - 1;
}

bool RedisStore::ready(Node& node, MonotonicTime now) {
  if (node.connection && !node.connection->broken()) return true;
  node.connection.reset();
  if (!cluster_ || now < node.retry_at) return false;
  auto connection = RedisConnection::connect(node.address, settings_);
  if (!connection) {
    node.retry_at = now + settings_.probe_every;
    slots_are_old_ = true;
    fail(node, connection.error());
    ++counters_.failed;
    return false;
  }
  node.connection = std::move(*connection);
  node.refuses_scripts.clear();
  return true;
}

std::expected<void, std::string> RedisStore::run(std::span<StoreRequest> requests, MonotonicTime now) {
  std::vector<StoreRequest*> pending;
  for (StoreRequest& request : requests) pending.push_back(&request);
  failure_.clear();
  unusable_ = nodes_.empty();
  for (int round = 0; round < kRounds && !pending.empty() && !unusable_; ++round) {
    if (slots_are_old_) refresh();
    for (StoreRequest* request : std::exchange(pending, {})) {
      Node& node = nodes_[request->asking ? request->asked_node : cluster_ ? slots_[slot_of(request->key)] : 0];
      if (ready(node, now)) {
        node.sent.push_back(request);
      } else {
        request->outcome = StoreRequest::Outcome::not_sent;
      }
    }
    for (Node& node : nodes_) {
      if (!node.sent.empty() && !send(node)) lose(node, 0, now);
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) receive(nodes_[i], pending, now);
    ++counters_.round_trips;
  }
  for (StoreRequest& request : requests) {
    if (request.outcome == StoreRequest::Outcome::waiting) request.outcome = StoreRequest::Outcome::not_sent;
  }
  const bool any_server = std::ranges::any_of(
      nodes_, [](const Node& node) { return node.connection != nullptr && !node.connection->broken(); });
  if (any_server && !unusable_) return {};
  return std::unexpected(failure_);
}

bool RedisStore::send(Node& node) {
  RedisConnection& connection = *node.connection;
  if (std::exchange(node.load_scripts, false)) {
    for (const RedisScript* script : {&lease_script(), &gateways_script()}) {
      const std::array<std::string_view, 3> load{"SCRIPT", "LOAD", script->text};
      connection.append(load);
    }
    for (int i = 0; i < 2; ++i) {
      const RedisReply loaded = connection.read();
      if (loaded.is_error()) node.refuses_scripts = error_summary(loaded.text());
    }
  }
  for (StoreRequest* request : node.sent) {
    constexpr std::array<std::string_view, 1> kAsking{"ASKING"};
    if (request->asking) connection.append(kAsking);
    std::vector<std::string_view> words{"EVALSHA", request->script->sha1, "1", request->key};
    words.insert(words.end(), request->arguments.begin(), request->arguments.end());
    connection.append(words);
  }
  return connection.flush();
}

void RedisStore::receive(Node& node, std::vector<StoreRequest*>& again, MonotonicTime now) {
  for (std::size_t i = 0; i < node.sent.size(); ++i) {
    StoreRequest& request = *node.sent[i];
    if (std::exchange(request.asking, false)) node.connection->read();
    request.reply = node.connection->read();
    if (!request.reply) {
      lose(node, i, now);
      return;
    }
    if (is_to_repeat(node, request)) again.push_back(&request);
  }
  node.sent.clear();
}

bool RedisStore::is_to_repeat(Node& node, StoreRequest& request) {
  if (!request.reply.is_error()) {
    request.outcome = StoreRequest::Outcome::answered;
    ++counters_.ok;
    return false;
  }
  const std::string_view error = request.reply.text();
  if (error.starts_with("NOSCRIPT") && node.refuses_scripts.empty()) {
    node.load_scripts = true;
    return true;
  }
  if (cluster_ && follow(node, request, error)) return true;
  ++counters_.failed;
  fail(node, node.refuses_scripts.empty() ? error_summary(error) : "SCRIPT LOAD: " + node.refuses_scripts);
  if (error.find("WRONGTYPE") != std::string_view::npos) {
    request.outcome = StoreRequest::Outcome::refused;
    return false;
  }
  // READONLY, OOM, LOADING, NOAUTH, MISCONF, MASTERDOWN, NOPERM, ...: the next key of this server would fare no better.
  request.outcome = StoreRequest::Outcome::not_sent;
  unusable_ = !cluster_ || error.starts_with("CLUSTERDOWN");
  return false;
}

// MOVED: from now on elsewhere. ASK: this once. TRYAGAIN: the same once more.
bool RedisStore::follow(const Node& node, StoreRequest& request, std::string_view error) {
  if (error.starts_with("TRYAGAIN")) return true;
  const auto redirection = parse_redirection(error, node.address);
  if (!redirection) return false;
  const std::size_t index = node_of(redirection->to);
  if (redirection->moved) {
    slots_[slot_of(request.key)] = static_cast<std::uint16_t>(index);
    slots_are_old_ = true;
  } else {
    request.asking = true;
    request.asked_node = index;
  }
  return true;
}

// The connection broke before the answer of `sent[first]`. Nothing of it is asked for again: it may have happened.
void RedisStore::lose(Node& node, std::size_t first, MonotonicTime now) {
  fail(node, node.connection->error());
  for (std::size_t i = first; i < node.sent.size(); ++i) {
    StoreRequest& request = *node.sent[i];
    request.outcome = StoreRequest::Outcome::lost;
    request.asking = false;
    ++(node.connection->timed_out() ? counters_.timed_out : counters_.failed);
  }
  node.sent.clear();
  node.connection.reset();
  node.retry_at = now + settings_.probe_every;
  slots_are_old_ = cluster_;
  losses_ += cluster_ ? 1 : 0;
}

void RedisStore::fail(const Node& node, std::string_view why) {
  failure_ = fmt::format("{}: {}", name_of(node.address), why);
}

// Asks any connected server of the cluster who has which slots.
void RedisStore::refresh() {
  slots_are_old_ = false;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.connection && !node.connection->broken() && learn_slots(*node.connection, node.address)) return;
  }
}

}  // namespace lotagate::limit
