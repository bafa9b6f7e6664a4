// What Redis answers beside the results of our scripts: redirections and the slots of a cluster. Whoever answers may be
// anything, so only what makes sense is taken.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "limit/redis_connection.h"
#include "limit/shared_policy.h"

namespace lotagate::limit {

inline constexpr std::size_t kSlots = 16384;

// The name or address of a server as others tell it: it goes to the resolver and into log lines. `told` empty or "?":
// that of the server that said so. None for what cannot be one.
std::optional<StoreAddress> told_address(std::string_view host, std::int64_t port, const StoreAddress& from);

// "MOVED SLOT HOST:PORT" or "ASK SLOT HOST:PORT".
struct Redirection {
  bool moved = false;  // for good; else this once
  StoreAddress to;
};
std::optional<Redirection> parse_redirection(std::string_view error, const StoreAddress& from);

// Slots `first` to `last`, both below kSlots, and who has them.
struct SlotRange {
  std::size_t first = 0, last = 0;
  StoreAddress master;
};
// Of CLUSTER SLOTS. Ranges that make no sense are left out.
std::vector<SlotRange> parse_slots(const RedisReply& reply, const StoreAddress& from);

}  // namespace lotagate::limit
