// Keys of the bucket table: 64-bit hashes that a client can neither choose nor predict.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/address.h"

namespace lotagate::limit {

// The seed of one policy's keys, from its name and the process's secret: the same for the life of the process, so
// that buckets survive a reload, and different for two policies, so that one client has a bucket in each.
std::uint64_t policy_seed(std::string_view policy_name) noexcept;

// The bucket of an authenticated user.
std::uint64_t user_key(std::uint64_t policy_seed, std::string_view subject) noexcept;

// The bucket of an address: IPv4 whole; IPv6 by its /64, which is what one subscriber gets at least and could
// otherwise rotate through. Never equal to a user's key but by a collision of the hash.
std::uint64_t address_key(std::uint64_t policy_seed, const IpAddress& address) noexcept;

}  // namespace lotagate::limit
