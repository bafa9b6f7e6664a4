#include "access/claims.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>

#include "access/identity_text.h"
#include "jose/strict_json.h"

namespace lotagate::access {
namespace {

namespace dom = simdjson::dom;

template <typename T>
using OrReason = std::expected<T, std::string_view>;

std::unexpected<std::string_view> refuse(std::string_view reason) { return std::unexpected(reason); }

std::optional<dom::element> member(const dom::object& object, std::string_view name) {
  dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

// Seconds since the epoch as a JSON number, whole or not (RFC 7519 2 NumericDate), held within what WallTime can say.
std::optional<WallTime> to_time(const dom::element& value) {
  double time_s = 0;
  if (!value.is_number() || value.get(time_s) != simdjson::SUCCESS) return std::nullopt;
  constexpr auto kLastSecond = std::chrono::duration_cast<seconds>(nanoseconds::max()).count();
  if (time_s >= static_cast<double>(kLastSecond)) return WallTime::max();
  if (time_s <= -static_cast<double>(kLastSecond)) return WallTime::min();
  // Whole seconds apart: as nanoseconds they are more than a double holds exactly.
  double whole_s = std::floor(time_s);
  auto fraction = nanoseconds(static_cast<std::int64_t>((time_s - whole_s) * 1e9));
  return WallTime(seconds(static_cast<std::int64_t>(whole_s)) + fraction);
}

OrReason<std::optional<WallTime>> optional_time(const dom::object& claims, std::string_view name,
                                                std::string_view reason) {
  auto value = member(claims, name);
  if (!value) return std::nullopt;
  auto time = to_time(*value);
  if (!time) return refuse(reason);
  return time;
}

OrReason<std::vector<std::string>> read_audiences(const dom::object& claims) {
  std::vector<std::string> audiences;
  auto value = member(claims, "aud");
  if (!value) return audiences;
  std::string_view text;
  if (value->get(text) == simdjson::SUCCESS) {
    audiences.emplace_back(text);
    return audiences;
  }
  dom::array list;
  if (value->get(list) != simdjson::SUCCESS) return refuse("claim_aud_malformed");
  for (dom::element element : list) {
    if (element.get(text) != simdjson::SUCCESS) return refuse("claim_aud_malformed");
    audiences.emplace_back(text);
  }
  return audiences;
}

OrReason<std::string> identity(const dom::element& value, std::string_view reason) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return refuse(reason);
  if (text.empty() || text.size() > kMaxSubjectBytes || !is_visible_ascii(text)) return refuse(reason);
  return std::string(text);
}

// Returns the reason of a refusal, or an empty text.
std::string_view read_identity(const dom::object& object, Claims& claims) {
  auto issuer = member(object, "iss");
  std::string_view text;
  if (!issuer) return "claim_iss_missing";
  if (issuer->get(text) != simdjson::SUCCESS) return "claim_iss_malformed";
  claims.issuer = text;

  auto subject = member(object, "sub");
  if (!subject) return "claim_sub_missing";
  auto subject_text = identity(*subject, "claim_sub_malformed");
  if (!subject_text) return subject_text.error();
  claims.subject = *std::move(subject_text);
  return {};
}

std::string_view read_times(const dom::object& object, Claims& claims) {
  auto expires = optional_time(object, "exp", "claim_exp_malformed");
  if (!expires) return expires.error();
  if (!*expires) return "claim_exp_missing";
  claims.expires = **expires;
  auto not_before = optional_time(object, "nbf", "claim_nbf_malformed");
  if (!not_before) return not_before.error();
  claims.not_before = *not_before;
  auto issued_at = optional_time(object, "iat", "claim_iat_malformed");
  if (!issued_at) return issued_at.error();
  claims.issued_at = *issued_at;
  return {};
}

WallTime saturating_add(WallTime time, seconds skew) {
  return time > WallTime::max() - skew ? WallTime::max() : time + skew;
}

bool audience_matches(const Claims& claims, std::span<const std::string> wanted) {
  return std::any_of(claims.audiences.begin(), claims.audiences.end(), [&](const std::string& audience) {
    return std::find(wanted.begin(), wanted.end(), audience) != wanted.end();
  });
}

// The member at `path`; see ClaimSet::has.
std::optional<dom::element> member_at(dom::object object, std::string_view path) {
  while (true) {
    auto whole = member(object, path);
    if (whole) return whole->is_null() ? std::nullopt : whole;
    auto dot = path.find('.');
    if (dot == path.npos) return std::nullopt;
    auto first = member(object, path.substr(0, dot));
    if (!first || first->get(object) != simdjson::SUCCESS) return std::nullopt;
    path.remove_prefix(dot + 1);
  }
}

std::optional<std::string> text_of(const dom::element& value, ClaimSet::Scalars scalars) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  bool scalar = value.is_number() || value.is_bool();
  if (scalars == ClaimSet::Scalars::strings || !scalar) return std::nullopt;
  return simdjson::minify(value);
}

}  // namespace

struct ClaimSet::Document {
  dom::parser parser;
  dom::object object;
};

ClaimSet::ClaimSet(std::unique_ptr<Document> document) : document_(std::move(document)) {}
ClaimSet::~ClaimSet() = default;
ClaimSet::ClaimSet(ClaimSet&&) noexcept = default;
ClaimSet& ClaimSet::operator=(ClaimSet&&) noexcept = default;

bool ClaimSet::has(std::string_view path) const { return member_at(document_->object, path).has_value(); }

ClaimSet::Kind ClaimSet::read(std::string_view path, Scalars scalars, std::vector<std::string>& texts) const {
  auto value = member_at(document_->object, path);
  if (!value) return Kind::absent;
  dom::array list;
  if (value->get(list) != simdjson::SUCCESS) {
    auto text = text_of(*value, scalars);
    if (!text) return Kind::malformed;
    texts.push_back(*std::move(text));
    return Kind::text;
  }
  for (dom::element element : list) {
    auto text = text_of(element, scalars);
    if (!text) return Kind::malformed;
    texts.push_back(*std::move(text));
  }
  return Kind::list;
}

std::expected<ClaimSet, std::string_view> parse_claims(std::string_view payload, std::size_t max_bytes) {
  ClaimSet set(std::make_unique<ClaimSet::Document>());
  dom::element document;
  auto refusal = jose::parse_strict_json(set.document_->parser, payload, {.max_bytes = max_bytes}, document);
  if (!refusal.empty()) return refuse(refusal);
  dom::object& object = set.document_->object;
  if (document.get(object) != simdjson::SUCCESS) return refuse("claims_not_an_object");

  Claims& claims = set.registered_;
  refusal = read_identity(object, claims);
  if (!refusal.empty()) return refuse(refusal);
  refusal = read_times(object, claims);
  if (!refusal.empty()) return refuse(refusal);
  auto audiences = read_audiences(object);
  if (!audiences) return refuse(audiences.error());
  claims.audiences = *std::move(audiences);
  return set;
}

Result<void> check_claims(const Claims& claims, const ClaimRules& rules, WallTime now) {
  auto invalid = [](std::string_view reason) { return fail(ErrorCode::invalid_token, Origin::downstream, reason); };
  if (claims.issuer != rules.issuer) return invalid("claim_iss_unknown");
  if (!rules.audiences.empty() && !audience_matches(claims, rules.audiences)) return invalid("claim_aud_mismatch");
  WallTime latest = saturating_add(now, rules.clock_skew);
  if (claims.not_before && *claims.not_before > latest) return invalid("claim_nbf_in_future");
  if (claims.issued_at && *claims.issued_at > latest) return invalid("claim_iat_in_future");
  if (now >= saturating_add(claims.expires, rules.clock_skew)) {
    return fail(ErrorCode::expired_token, Origin::downstream, "claim_exp_passed");
  }
  return {};
}

}  // namespace lotagate::access
