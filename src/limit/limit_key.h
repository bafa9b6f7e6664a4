// Keys of the bucket table: 64-bit hashes that a client can neither choose nor predict.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/address.h"

namespace lotagate::limit {

// What a value is: equal bytes of two kinds are two keys.
enum class KeyDomain : std::uint8_t { user = 1, tenant, address, api_key, route, service, header, claim };

// The seed of one policy's keys, from its name and the process's secret: the same for the life of the process, so
// that buckets survive a reload, and different for two policies, so that one client has a bucket in each.
std::uint64_t policy_seed(std::string_view policy_name) noexcept;

// The key of `value`. What several values together name is made by taking each one's key as the seed of the next.
std::uint64_t limit_key(std::uint64_t seed, KeyDomain domain, std::string_view value) noexcept;

// What of an address counts, as a value for limit_key: IPv4 whole; IPv6 its /64, which is what one subscriber gets at
// least and could otherwise rotate through. A view into `address`.
std::string_view address_value(const IpAddress& address) noexcept;

}  // namespace lotagate::limit
