#include "access/authenticator.h"

#include <algorithm>
#include <utility>

#include "access/claims.h"
#include "base/check.h"
#include "jose/jws.h"

namespace lotagate::access {
namespace {

std::unexpected<Error> invalid(std::string_view reason) {
  return fail(ErrorCode::invalid_token, Origin::downstream, reason);
}

}  // namespace

Authenticator::Authenticator(AuthenticationSettings settings)
    : settings_(std::move(settings)), key_versions_(settings_.issuers.size(), 0), cache_(settings_.cache_bytes) {}

Authenticator::~Authenticator() = default;

void Authenticator::replace_keys(std::shared_ptr<const KeyRing> ring) {
  LG_CHECK(ring != nullptr && ring->issuers.size() == settings_.issuers.size(), "a key ring for other issuers");
  ring_ = std::move(ring);
  for (std::size_t i = 0; i < key_versions_.size(); ++i) key_versions_[i] = ring_->issuers[i].version;
}

Result<const Principal*> Authenticator::authenticate(std::string_view token, WallTime now) {
  if (token.size() > settings_.max_token_bytes) return invalid("token_too_large");
  if (const Principal* cached = cache_.find(token, now, key_versions_)) return cached;
  return authenticate_uncached(token, now);
}

std::optional<std::uint32_t> Authenticator::take_refetch_request() { return std::exchange(refetch_, std::nullopt); }

Result<const Principal*> Authenticator::authenticate_uncached(std::string_view token, WallTime now) {
  auto jws = jose::parse_compact_jws(token, settings_.max_token_bytes);
  if (!jws) return invalid(jws.error());
  auto claims = parse_claims(jws->payload, settings_.max_token_bytes);
  if (!claims) return invalid(claims.error());
  TRY(issuer_index, select_issuer(*claims));
  const IssuerSettings& issuer = settings_.issuers[issuer_index];
  if (std::find(issuer.algorithms.begin(), issuer.algorithms.end(), jws->algorithm) == issuer.algorithms.end()) {
    return invalid("algorithm_not_allowed");
  }
  TRY_VOID(verify(*jws, issuer_index));
  ClaimRules rules{.issuer = issuer.issuer, .audiences = issuer.audiences, .clock_skew = settings_.clock_skew};
  TRY_VOID(check_claims(*claims, rules, now));

  verified_ = Principal{.subject = std::move(claims->subject),
                        .issuer = issuer.issuer,
                        .tenant = std::move(claims->tenant),
                        .expires = claims->expires,
                        .issuer_index = issuer_index};
  // Within the skew after exp a token is still good, but verified anew each time: no stored verdict outlives exp.
  if (now < verified_.expires) cache_.insert(token, verified_, key_versions_[issuer_index]);
  return &verified_;
}

Result<std::uint32_t> Authenticator::select_issuer(const Claims& claims) const {
  for (std::size_t i = 0; i < settings_.issuers.size(); ++i) {
    if (settings_.issuers[i].issuer == claims.issuer) return static_cast<std::uint32_t>(i);
  }
  return invalid("claim_iss_unknown");
}

Result<void> Authenticator::verify(const jose::CompactJws& jws, std::uint32_t issuer_index) {
  const KeySet* keys = ring_ ? ring_->issuers[issuer_index].keys.get() : nullptr;
  if (keys == nullptr) return fail(ErrorCode::keys_unavailable, Origin::internal, "keys_never_fetched");
  if (jws.kid) {
    const jose::VerificationKey* key = keys->find(*jws.kid, jws.algorithm);
    if (key == nullptr) {
      refetch_ = issuer_index;
      return invalid("key_unknown");
    }
    auto verified = jose::verify_signature(jws, *key);
    if (!verified) return invalid(verified.error());
    return {};
  }
  for (const jose::VerificationKey* key : keys->find_without_kid(jws.algorithm).all()) {
    if (jose::verify_signature(jws, *key)) return {};
  }
  // Without a kid a rotated key looks like a wrong signature.
  refetch_ = issuer_index;
  return invalid("signature_mismatch");
}

}  // namespace lotagate::access
