// How a bucket is called in front of people: by a name that says nothing about its key, or in clear.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "limit/limit_key.h"

namespace lotagate::limit {

// "user", "api_key" and so on, as the configuration calls the part of a key.
std::string_view domain_name(KeyDomain domain) noexcept;

class KeyNames {
 public:
  // With a secret of its own, from the kernel: names last as long as the process.
  KeyNames();
  explicit KeyNames(const std::array<std::uint64_t, 2>& secret) : secret_(secret) {}

  // "user:9f3a5c...", "tenant+route:...": what the parts are, and 16 hex digits of a keyed hash (SipHash-2-4) of the
  // bucket's key. Names tell neither the values nor the key, which is a secret of the table, and nobody can compute the
  // name of a value that he guesses. `identity` as BucketName::identity() writes it (gateway/limit_identity.h).
  std::string hidden(std::uint64_t key, std::string_view identity) const;

 private:
  std::array<std::uint64_t, 2> secret_;
};

// "user:alice", "tenant:t1 route:/a", "address:192.0.2.7", "address:2001:db8::/64". Arbitrary bytes where clients chose
// the value. `cut`: the identity was longer; its last part ends in "...".
std::string clear_name(std::string_view identity, bool cut = false);

// SipHash-2-4 of the eight bytes of `word`, little endian (Aumasson, Bernstein, 2012).
std::uint64_t siphash(const std::array<std::uint64_t, 2>& secret, std::uint64_t word) noexcept;

}  // namespace lotagate::limit
