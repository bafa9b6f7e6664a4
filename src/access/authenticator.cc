#include "access/authenticator.h"

#include <algorithm>
#include <utility>

#include "access/claims.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "jose/jws.h"

namespace lotagate::access {
namespace {

std::unexpected<Error> invalid(std::string_view reason) {
  return fail(ErrorCode::invalid_token, Origin::downstream, reason);
}

// RFC 7515 4.1.9: a media type, whose "application/" may be left out; media types have no case.
bool is_type(std::string_view given, std::string_view wanted) {
  constexpr std::string_view kPrefix = "application/";
  if (given.size() > kPrefix.size() && iequals(given.substr(0, kPrefix.size()), kPrefix)) {
    given.remove_prefix(kPrefix.size());
  }
  return iequals(given, wanted);
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

Result<PrincipalRef> Authenticator::authenticate(std::string_view token, WallTime now) {
  if (token.size() > settings_.max_token_bytes) return invalid("token_too_large");
  if (PrincipalRef cached = cache_.find(token, now, key_versions_)) return cached;
  return authenticate_uncached(token, now);
}

std::optional<RefetchRequest> Authenticator::take_refetch_request() { return std::exchange(refetch_, std::nullopt); }

Result<PrincipalRef> Authenticator::authenticate_uncached(std::string_view token, WallTime now) {
  auto jws = jose::parse_compact_jws(token, settings_.max_token_bytes);
  if (!jws) return invalid(jws.error());
  auto claims = parse_claims(jws->payload, settings_.max_token_bytes);
  if (!claims) return invalid(claims.error());
  TRY(issuer_index, select_issuer(claims->registered().issuer));
  const IssuerSettings& issuer = settings_.issuers[issuer_index];
  if (std::ranges::find(issuer.algorithms, jws->algorithm) == issuer.algorithms.end()) {
    return invalid("algorithm_not_allowed");
  }
  if (!issuer.type.empty() && !is_type(jws->typ, issuer.type)) return invalid("header_typ_mismatch");
  TRY_VOID(verify(*jws, issuer_index));
  ClaimRules rules{.issuer = issuer.issuer, .audiences = issuer.audiences, .clock_skew = settings_.clock_skew};
  TRY_VOID(check_claims(claims->registered(), rules, now));
  TRY(principal, make_principal(*claims, issuer_index));
  // Within the skew after exp a token is still good, but verified anew each time: no stored verdict outlives exp.
  if (now < principal->expires) cache_.insert(token, principal, key_versions_[issuer_index]);
  return principal;
}

Result<PrincipalRef> Authenticator::make_principal(const ClaimSet& claims, std::uint32_t issuer_index) const {
  const IssuerSettings& issuer = settings_.issuers[issuer_index];
  auto present = [&](const std::string& path) { return claims.has(path); };
  if (!std::ranges::all_of(issuer.required_claims, present)) return invalid("claim_required_missing");
  Principal principal{.subject = issuer.subject_prefix + claims.registered().subject,
                      .issuer = issuer.issuer,
                      .expires = claims.registered().expires,
                      .issuer_index = issuer_index};
  auto read = read_rights(claims, issuer.rights, settings_.role_permissions, principal);
  if (!read) return invalid(read.error());
  for (const std::string& path : settings_.limit_claims) {
    principal.limit_claims.push_back(read_limit_claim(claims, path));
  }
  return PrincipalRef(std::move(principal));
}

Result<std::uint32_t> Authenticator::select_issuer(std::string_view name) const {
  for (std::size_t i = 0; i < settings_.issuers.size(); ++i) {
    if (settings_.issuers[i].issuer == name) return static_cast<std::uint32_t>(i);
  }
  return invalid("claim_iss_unknown");
}

Result<void> Authenticator::verify(const jose::CompactJws& jws, std::uint32_t issuer_index) {
  const KeySet* keys = ring_ ? ring_->issuers[issuer_index].keys.get() : nullptr;
  if (keys == nullptr) return fail(ErrorCode::keys_unavailable, Origin::internal, "keys_never_fetched");
  if (jws.kid) {
    const jose::VerificationKey* key = keys->find(*jws.kid, jws.algorithm);
    if (key == nullptr) {
      refetch_ = {.issuer = issuer_index, .key = hash_bytes(*jws.kid, process_hash_seed())};
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
  refetch_ = {.issuer = issuer_index, .key = hash_bytes(jws.signature, process_hash_seed())};
  return invalid("signature_mismatch");
}

}  // namespace lotagate::access
