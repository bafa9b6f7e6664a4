// From a bearer token to a principal. One per worker, single-threaded, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/issued_rights.h"
#include "access/key_ring.h"
#include "access/principal.h"
#include "access/token_cache.h"
#include "base/clock.h"
#include "base/result.h"
#include "jose/algorithm.h"

namespace lotagate::jose {
struct CompactJws;
}  // namespace lotagate::jose

namespace lotagate::access {

class ClaimSet;

struct IssuerSettings {
  std::string issuer;
  std::vector<std::string> audiences;       // empty: `aud` is not checked
  std::vector<jose::Algorithm> algorithms;  // at least one
  // Required `typ` of the header (RFC 8725 3.11), compared without case and "application/"; empty: any.
  std::string type{};
  std::vector<std::string> required_claims{};  // paths (ClaimSet::has) beside `iss`, `sub` and `exp`
  // Put before `sub`, so that users of two issuers are never taken for each other.
  std::string subject_prefix{};
  RightsClaims rights{};
};

struct AuthenticationSettings {
  std::vector<IssuerSettings> issuers;
  seconds clock_skew{30};
  std::size_t max_token_bytes = 8 * 1024;
  std::size_t cache_bytes = 16 * 1024 * 1024;
  std::vector<RolePermissions> role_permissions{};
  std::vector<std::string> limit_claims{};  // paths, of what rate limits look at
};

// An issuer's keys lacked what a token asked for: the set may be older than a rotation.
struct RefetchRequest {
  std::uint32_t issuer = 0;
  std::uint64_t key = 0;  // a hash of the kid; of the signature, if the token names none
};

class Authenticator {
 public:
  // Until the first ring arrives every token of a configured issuer is answered keys_unavailable.
  explicit Authenticator(AuthenticationSettings settings);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // Takes the ring that counts from now on; it has one element per configured issuer. Cached verdicts of an issuer
  // whose version differs stop counting at once.
  void replace_keys(std::shared_ptr<const KeyRing> ring);

  // `token` is the text after "Bearer ". Errors, with a static reason for the log: invalid_token and expired_token
  // (origin downstream), keys_unavailable (origin internal) when the issuer's keys were never fetched. The token's
  // unverified `iss` only selects the configured issuer it must then prove.
  Result<PrincipalRef> authenticate(std::string_view token, WallTime now);

  // What was missed since the last call. The caller bounds how often it fetches (anyone can send an unknown kid).
  std::optional<RefetchRequest> take_refetch_request();

  // Readable from any thread.
  const TokenCacheCounters& counters() const { return cache_.counters(); }

 private:
  Result<std::uint32_t> select_issuer(std::string_view name) const;
  Result<void> verify(const jose::CompactJws& jws, std::uint32_t issuer_index);
  Result<PrincipalRef> authenticate_uncached(std::string_view token, WallTime now);
  Result<PrincipalRef> make_principal(const ClaimSet& claims, std::uint32_t issuer_index) const;

  AuthenticationSettings settings_;
  std::shared_ptr<const KeyRing> ring_;
  std::vector<std::uint64_t> key_versions_;  // of ring_, side by side for the cache
  TokenCache cache_;
  std::optional<RefetchRequest> refetch_;
};

}  // namespace lotagate::access
