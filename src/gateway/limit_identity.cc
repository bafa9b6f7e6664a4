#include "gateway/limit_identity.h"

#include <algorithm>
#include <cstring>

#include "access/access_grant.h"
#include "access/issued_rights.h"
#include "base/check.h"

namespace lotagate {
namespace {

using config::LimitKeyPart;
using config::LimitSelector;
using limit::KeyDomain;

LimitValue caller_value(const LimitQuestion& question) {
  std::string_view user = question.caller.subject;
  if (!user.empty()) return {KeyDomain::user, user};
  return {KeyDomain::address, limit::address_value(question.client)};
}

// Only a proxy that is trusted to name the client is trusted to name anything else (R08).
std::string_view header_value(const config::CompiledKeyPart& part, const LimitQuestion& question) {
  if (!question.peer_trusted && !part.from_anyone) return {};
  return question.fields.only_value(part.name).value_or(std::string_view());
}

std::string_view claim_value(std::size_t index, const LimitQuestion& question) {
  const auto& claims = question.caller.claims;
  return index < claims.size() ? std::string_view(claims[index]) : std::string_view();
}

bool is_case(const config::CompiledLimit& limit, std::string_view value, const LimitQuestion& question) {
  if (value == "*") return true;
  switch (limit.rule.by.kind) {
    case LimitSelector::Kind::none: return true;
    case LimitSelector::Kind::plan: return question.caller.plan == value;
    case LimitSelector::Kind::role: return access::TextList(question.caller.roles).contains(value);
    case LimitSelector::Kind::claim: {
      std::string_view claim = claim_value(limit.claim, question);
      return access::TextList(claim, access::kLimitClaimSeparator).contains(value);
    }
  }
  return false;
}

}  // namespace

LimitValue limit_value(const config::CompiledKeyPart& part, const LimitQuestion& question) {
  LimitValue found{KeyDomain::user, {}};
  switch (part.kind) {
    case LimitKeyPart::Kind::user: break;
    case LimitKeyPart::Kind::tenant: found = {KeyDomain::tenant, question.caller.tenant}; break;
    case LimitKeyPart::Kind::address: return {KeyDomain::address, limit::address_value(question.client)};
    case LimitKeyPart::Kind::api_key: found = {KeyDomain::api_key, question.caller.key_id}; break;
    case LimitKeyPart::Kind::route: return {KeyDomain::route, question.route.name};
    case LimitKeyPart::Kind::service:
      return {KeyDomain::service, question.snapshot.services[question.route.service].name};
    case LimitKeyPart::Kind::header: found = {KeyDomain::header, header_value(part, question)}; break;
    case LimitKeyPart::Kind::claim: found = {KeyDomain::claim, claim_value(part.claim, question)}; break;
  }
  return found.value.empty() ? caller_value(question) : found;
}

BucketName::BucketName(std::span<const config::CompiledKeyPart> parts, const LimitQuestion& question)
    : count_(parts.size()) {
  LG_CHECK(count_ <= kMostParts, "a key of too many parts");
  for (std::size_t i = 0; i < count_; ++i) values_[i] = limit_value(parts[i], question);
}

std::uint64_t BucketName::key(std::uint64_t seed) const {
  for (const LimitValue& found : values()) seed = limit::limit_key(seed, found.domain, found.value);
  return seed;
}

// Each value behind its domain and its length: no value can look like two.
std::string_view BucketName::identity(Arena& arena) const {
  constexpr std::size_t kPrefixBytes = 1 + sizeof(std::uint32_t);
  std::size_t size = 0;
  for (const LimitValue& found : values()) size += kPrefixBytes + found.value.size();
  char* const begin = reinterpret_cast<char*>(arena.allocate(size));
  char* out = begin;
  for (const LimitValue& found : values()) {
    auto length = static_cast<std::uint32_t>(found.value.size());
    *out++ = static_cast<char>(found.domain);
    for (unsigned shift = 0; shift < 32; shift += 8) *out++ = static_cast<char>(length >> shift);
    std::memcpy(out, found.value.data(), length);
    out += length;
  }
  return {begin, size};
}

std::string_view exempt_by(const config::LimitExemptions& exempt, const LimitQuestion& question) {
  auto holds = [&](const Network& network) { return network.contains(question.client); };
  if (std::ranges::any_of(exempt.addresses, holds)) return "address";
  if (std::ranges::find(exempt.paths, question.path) != exempt.paths.end()) return "path";
  std::string_view user = question.caller.subject;
  bool known = !user.empty() && std::ranges::find(exempt.users, user) != exempt.users.end();
  return known ? "user" : "";
}

const config::CompiledBucket& find_case(const config::CompiledLimit& limit, const LimitQuestion& question) {
  auto holds = [&](const config::CompiledBucket& bucket) { return is_case(limit, bucket.value, question); };
  auto found = std::ranges::find_if(limit.buckets, holds);
  LG_CHECK(found != limit.buckets.end(), "a limit whose last case is not everybody else");
  return *found;
}

const config::CompiledBucket* choose_bucket(const config::CompiledLimit& limit, const LimitQuestion& question) {
  if (limit.for_everybody) return &limit.buckets.front();
  if (!exempt_by(limit.rule.exempt, question).empty()) return nullptr;
  const config::CompiledBucket& bucket = find_case(limit, question);
  return bucket.unlimited ? nullptr : &bucket;
}

}  // namespace lotagate
