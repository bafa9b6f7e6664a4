// How many client connections may be open at once: in the process, on one listener, from one address (S05). Shared by
// all workers; asked when a connection is accepted and when it has ended, never for a request.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/address.h"

namespace lotagate {

class ConnectionCaps {
 public:
  static constexpr std::size_t kMaxListeners = 64;

  // `capacity`: what the process has descriptors for, whatever is configured. Implicit, for the aggregate Shared.
  ConnectionCaps(std::uint32_t capacity) : capacity_(capacity) {}
  ConnectionCaps(const ConnectionCaps&) = delete;
  ConnectionCaps& operator=(const ConnectionCaps&) = delete;

  struct Limits {
    std::uint32_t process;
    std::optional<std::uint32_t> listener;
    std::optional<std::uint32_t> address;  // nothing: the address is exempt
  };
  enum class Verdict : std::uint8_t { admitted, process_full, listener_full, address_full };

  // Counts the connection if it is admitted; leave() then takes it out, with `by_address` as it was here.
  Verdict enter(const IpAddress& address, std::size_t listener, const Limits& limits);
  void leave(const IpAddress& address, std::size_t listener, bool by_address);

  std::uint32_t open() const { return open_.load(std::memory_order_relaxed); }
  std::uint32_t capacity() const { return capacity_; }

 private:
  static constexpr std::size_t kStripes = 64;
  struct Hash {
    std::size_t operator()(const IpAddress& address) const;
  };
  struct alignas(64) Stripe {
    std::mutex mutex;
    std::unordered_map<IpAddress, std::uint32_t, Hash> counts;  // only addresses that have connections
  };
  Stripe& stripe(const IpAddress& key) { return stripes_[Hash{}(key) % kStripes]; }
  bool enter_address(const IpAddress& address, std::uint32_t limit);
  void leave_address(const IpAddress& address);

  const std::uint32_t capacity_;
  std::atomic<std::uint32_t> open_{0};
  std::array<std::atomic<std::uint32_t>, kMaxListeners> by_listener_{};
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace lotagate
