// The two scripts that run in Redis: leasing from one bucket, and counting the gateways.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limit/redis_connection.h"
#include "limit/shared_policy.h"

namespace lotagate::limit {

struct RedisScript {
  std::string text;
  std::string sha1;  // by which EVALSHA names it
};

// Settles one gateway's account with one bucket, and leases from it; lease_script.cc describes the arithmetic.
const RedisScript& lease_script();
// Enters or removes a gateway and answers how many there are.
const RedisScript& gateways_script();

// One call of the lease script, for one bucket.
struct LeaseCall {
  std::uint64_t key = 0;
  std::array<std::uint64_t, 2> id{};  // cut from the SHA-256 of the identity
  const SharedPolicy* policy = nullptr;
  std::uint32_t want = 0;              // tokens to lease
  std::uint32_t need = 0;              // fewer would be of no use; at least 1 if anything is wanted
  std::uint32_t charge = 0;            // tokens spent already
  std::uint32_t give_back = 0;         // tokens of leases that were not spent, and of settling:
  std::uint32_t refund = 0;            // as many
  std::uint32_t demand = 0;            // that led to this call
  std::uint64_t fee_us = 0;            // how long those were kept
  bool alone = false;                  // nobody else was granted anything since these leases began
  bool moved = false;                  // the last answer came from another connection, so perhaps from another server
  std::uint64_t seen = 0;              // full_at of the last answer; 0: none
  std::uint64_t known_missing_us = 0;  // what is missing by that answer, as of now
  std::uint32_t gateways = 1;
  std::uint64_t sent_ns = 0;  // of the monotonic clock
};

struct LeaseAnswer {
  std::uint32_t grant = 0;
  std::uint64_t wait_us = 0;     // until `need` tokens are there
  std::uint64_t missing_us = 0;  // until the bucket is full, after this call
  std::uint64_t full_at = 0;     // the same as a moment of the server's clock, microseconds
  bool alone = false;            // nobody else has changed the bucket since `seen`
};

std::string lease_key(std::string_view prefix, const LeaseCall& call);
std::string gateways_key(std::string_view prefix);
std::vector<std::string> lease_arguments(const LeaseCall& call);
std::vector<std::string> gateways_arguments(std::string_view gateway, milliseconds life, bool leave);
std::optional<LeaseAnswer> parse_lease_answer(const RedisReply& reply);

}  // namespace lotagate::limit
