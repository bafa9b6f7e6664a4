#include "gateway/connection_caps.h"

#include <algorithm>

#include "base/hash.h"

namespace lotagate {
namespace {

// An IPv6 client has a whole /64 to choose addresses from.
IpAddress key_of(IpAddress address) {
  if (!address.is_v4()) std::fill(address.bytes.begin() + 8, address.bytes.end(), std::uint8_t{0});
  return address;
}

bool take(std::atomic<std::uint32_t>& counter, std::uint32_t limit) {
  if (counter.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  counter.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

std::size_t ConnectionCaps::Hash::operator()(const IpAddress& address) const {
  return hash_bytes({reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()}, process_hash_seed());
}

ConnectionCaps::Verdict ConnectionCaps::enter(const IpAddress& address, std::size_t listener, const Limits& limits) {
  if (!take(open_, std::min(limits.process, capacity_))) return Verdict::process_full;
  if (!take(by_listener_[listener], limits.listener.value_or(UINT32_MAX))) {
    open_.fetch_sub(1, std::memory_order_relaxed);
    return Verdict::listener_full;
  }
  if (limits.address && !enter_address(address, *limits.address)) {
    leave(address, listener, false);
    return Verdict::address_full;
  }
  return Verdict::admitted;
}

void ConnectionCaps::leave(const IpAddress& address, std::size_t listener, bool by_address) {
  if (by_address) leave_address(address);
  by_listener_[listener].fetch_sub(1, std::memory_order_relaxed);
  open_.fetch_sub(1, std::memory_order_relaxed);
}

bool ConnectionCaps::enter_address(const IpAddress& address, std::uint32_t limit) {
  IpAddress key = key_of(address);
  Stripe& s = stripe(key);
  std::lock_guard lock(s.mutex);
  auto [found, added] = s.counts.try_emplace(key, 0);
  if (found->second >= limit) return false;  // a new entry has room: limits begin at 1
  ++found->second;
  return true;
}

void ConnectionCaps::leave_address(const IpAddress& address) {
  IpAddress key = key_of(address);
  Stripe& s = stripe(key);
  std::lock_guard lock(s.mutex);
  auto found = s.counts.find(key);
  if (found != s.counts.end() && --found->second == 0) s.counts.erase(found);
}

}  // namespace lotagate
