// Which bucket of a limit a request takes from: the values of its key's parts, and the case that holds for it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/address.h"
#include "base/arena.h"
#include "config/snapshot.h"
#include "http/head.h"
#include "limit/limit_key.h"

namespace lotagate {

class AccessCheck;

// The request that is asked about. Views, valid while the request is.
struct LimitQuestion {
  const config::Snapshot& snapshot;
  const config::CompiledRoute& route;
  const http::FieldList& fields;
  std::string_view path;  // canonical
  const IpAddress& client;
  bool peer_trusted;  // the connection comes from one of the listener's trusted proxies
  const AccessCheck& access;
};

struct LimitValue {
  limit::KeyDomain domain;
  std::string_view value;
};

// The part's value; for one that the request lacks the user, and for an unknown user the address.
LimitValue limit_value(const config::CompiledKeyPart& part, const LimitQuestion& question);

// The key of the bucket in this process.
std::uint64_t bucket_key(std::span<const config::CompiledKeyPart> parts, std::uint64_t seed,
                         const LimitQuestion& question);

// The same as bytes that every gateway makes alike and that no two keys of one limit share; in `arena`.
std::string_view bucket_identity(std::span<const config::CompiledKeyPart> parts, const LimitQuestion& question,
                                 Arena& arena);

// The bucket of the case that holds; null if the request is exempt or the case is unlimited.
const config::CompiledBucket* choose_bucket(const config::CompiledLimit& limit, const LimitQuestion& question);

}  // namespace lotagate
