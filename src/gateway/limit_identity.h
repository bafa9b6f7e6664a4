// Which bucket of a limit a request takes from: the values of its key's parts, and the case that holds for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/arena.h"
#include "config/snapshot.h"
#include "http/head.h"
#include "limit/limit_key.h"

namespace lotagate {

// Who asks, as far as it is known; empty where not.
struct LimitCaller {
  std::string_view subject{};
  std::string_view tenant{};
  std::string_view plan{};                // of the tenant
  std::string_view roles{};               // comma separated
  std::string_view key_id{};              // of the API key
  std::span<const std::string> claims{};  // of config::limit_claims, one for one; none without a token
};

// The request that is asked about. Views, valid while the request is.
struct LimitQuestion {
  const config::Snapshot& snapshot;
  const config::CompiledRoute& route;
  const http::FieldList& fields;
  std::string_view path;  // canonical
  const IpAddress& client;
  bool peer_trusted;  // the connection comes from one of the listener's trusted proxies
  LimitCaller caller;
};

struct LimitValue {
  limit::KeyDomain domain;
  std::string_view value;
};

// The part's value; for one that the request lacks the user, and for an unknown user the address.
LimitValue limit_value(const config::CompiledKeyPart& part, const LimitQuestion& question);

// What a request's bucket of one limit is called. The values of the key's parts are looked up once for both names.
class BucketName {
 public:
  static constexpr std::size_t kMostParts = 8;  // as many as a configuration may have

  BucketName(std::span<const config::CompiledKeyPart> parts, const LimitQuestion& question);

  // The key of the bucket in this process.
  std::uint64_t key(std::uint64_t seed) const;
  // The same as bytes that every gateway makes alike and that no two keys of one limit share; in `arena`.
  std::string_view identity(Arena& arena) const;

 private:
  std::span<const LimitValue> values() const { return {values_.data(), count_}; }

  std::array<LimitValue, kMostParts> values_;
  std::size_t count_;
};

// What exempts the request: "address", "path" or "user"; empty: nothing does.
std::string_view exempt_by(const config::LimitExemptions& exempt, const LimitQuestion& question);

// The bucket of the case that holds; an unlimited one among them.
const config::CompiledBucket& find_case(const config::CompiledLimit& limit, const LimitQuestion& question);

// The same; null if the request is exempt or the case is unlimited.
const config::CompiledBucket* choose_bucket(const config::CompiledLimit& limit, const LimitQuestion& question);

}  // namespace lotagate
