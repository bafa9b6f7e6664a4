#include "limit/lease_script.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace lotagate::limit {
namespace {

// A bucket is one number, the moment of the server's clock, in microseconds, at which it is full (GCRA). No key: full.
// `missing` is the time until then. Lua counts in doubles: times of this century are exact to a quarter of a
// microsecond, and every rounding is towards a fuller `missing`, so that it never gives more.
//
// Order: what was spent on credit is charged, unspent leases are taken back, then there is a grant.
//
// The charge may push the bucket below empty, down to `deepest`: a window for credit, the policy's debt for settling.
//
// Giving back. A lease that was kept for `fee` microseconds is worth that much less: while it was kept, the bucket
// refilled as if the tokens had been spent, and what refilled may be leased by others already. Without the fee,
// gateways that swap leases could hold more than one bucket among them. The fee is waived when nobody else has been
// granted anything since: then there is nobody to hold it. (The derivation is in lease.h.)
//
// The grant. A gateway that is alone takes what it wants up to half of what is there, so that a single busy gateway
// gets nearly all within a few calls; one that is not takes a gateway's share. `need` comes before fairness, else a
// request that costs many tokens would never be served; but it is all or nothing, so that two gateways do not each sit
// on half of what one of them needs.
//
// A clock that jumped back, or a policy that became much faster: more missing than can be is brought to empty.
// Nothing stored: an emptied or failed-over store believes what a gateway remembers, within the policy's bounds. After
// a change of servers (`moved`) the larger of both counts: a copy may lag behind.
constexpr std::string_view kLeaseScript = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst, debt = ARGV[1] / 1000, tonumber(ARGV[2]), tonumber(ARGV[3])
local want, need, charge = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local back, fee, alone_since = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9] == '1'
local seen, known, moved, gateways = ARGV[10], tonumber(ARGV[11]), ARGV[12] == '1', tonumber(ARGV[13])
local window = interval * burst
local deepest = math.min(2 * window + interval * debt, 2 ^ 52)

local stored = redis.call('GET', KEYS[1])
local missing
if stored then
  local full_at = tonumber(stored)
  if not full_at or full_at ~= full_at then return redis.error_reply('WRONGTYPE not a bucket') end
  missing = math.max(full_at - now, 0)
  if missing > deepest + 10000000 then missing = window end
  if moved then missing = math.max(missing, math.min(known, deepest)) end
else
  missing = math.min(known, deepest)
end
local alone = stored == seen
local before = missing

if charge > 0 then missing = math.max(missing, math.min(missing + charge * interval, deepest)) end
if back > 0 then
  if alone and alone_since then fee = 0 end
  missing = math.max(missing - math.max(back * interval - fee, 0), 0)
end

local grant = 0
if want > 0 then
  local there = burst - math.ceil(missing / interval)
  local share = alone and math.ceil(there / 2) or math.floor(there / gateways)
  grant = math.min(want, math.max(need, share))
  if grant > there then grant = there >= need and there or 0 end
  missing = missing + grant * interval
end

missing = math.ceil(missing)
local text = string.format('%.0f', now + missing)
if missing == 0 then
  if stored then redis.call('DEL', KEYS[1]) end
elseif missing ~= before or not stored then
  redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', math.ceil(missing / 1000) + 1))
end
return {grant, math.max(math.ceil(missing + math.max(need, 1) * interval - window), 0), missing, text, alone and 1 or 0}
)lua";

// A sorted set of gateways by the server's time of their last heartbeat. Scores from the future are left from before
// a jump of the clock.
constexpr std::string_view kGatewaysScript = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local life = tonumber(ARGV[2])
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - life))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + life), '+inf')
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(life / 1000) * 10))
return redis.call('ZCARD', KEYS[1])
)lua";

RedisScript with_name(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  RedisScript script{.text = std::string(text), .sha1 = {}};
  for (unsigned i = 0; i < size; ++i) script.sha1 += fmt::format("{:02x}", digest[i]);
  return script;
}

}  // namespace

const RedisScript& lease_script() {
  static const RedisScript script = with_name(kLeaseScript);
  return script;
}

const RedisScript& gateways_script() {
  static const RedisScript script = with_name(kGatewaysScript);
  return script;
}

std::string lease_key(std::string_view prefix, const LeaseCall& call) {
  return fmt::format("{}:limit:{}:{:016x}{:016x}", prefix, call.policy->name, call.id[0], call.id[1]);
}

std::string gateways_key(std::string_view prefix) { return fmt::format("{}:gateways", prefix); }

std::vector<std::string> lease_arguments(const LeaseCall& call) {
  const auto number = [](auto value) { return fmt::format("{}", value); };
  const BucketPolicy& bucket = call.policy->bucket;
  return {number(bucket.interval_ns),
          number(bucket.burst),
          number(call.policy->most_debt),
          number(call.want),
          number(std::max(call.need, 1u)),
          number(call.charge),
          number(call.give_back),
          number(call.fee_us),
          call.alone ? "1" : "0",
          call.seen == 0 ? "-" : number(call.seen),
          number(call.known_missing_us),
          call.moved ? "1" : "0",
          number(std::max(call.gateways, 1u))};
}

std::vector<std::string> gateways_arguments(std::string_view gateway, milliseconds life, bool leave) {
  return {std::string(gateway), fmt::format("{}", life.count() * 1000), leave ? "1" : "0"};
}

std::optional<LeaseAnswer> parse_lease_answer(const RedisReply& reply) {
  if (reply.size() != 5) return std::nullopt;
  LeaseAnswer answer;
  answer.grant = static_cast<std::uint32_t>(std::clamp<std::int64_t>(reply.at(0).integer(), 0, UINT32_MAX));
  answer.wait_us = static_cast<std::uint64_t>(std::max<std::int64_t>(reply.at(1).integer(), 0));
  answer.missing_us = static_cast<std::uint64_t>(std::max<std::int64_t>(reply.at(2).integer(), 0));
  const RedisReply moment = reply.at(3);
  const std::string_view text = moment.text();
  if (std::from_chars(text.data(), text.data() + text.size(), answer.full_at).ec != std::errc()) return std::nullopt;
  answer.alone = reply.at(4).integer() == 1;
  return answer;
}

}  // namespace lotagate::limit
