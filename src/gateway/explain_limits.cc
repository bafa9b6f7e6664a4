#include "gateway/explain_limits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "access/issued_rights.h"
#include "config/units.h"
#include "limit/key_names.h"

namespace lotagate {
namespace {

using config::LimitKeyPart;
using limit::KeyDomain;

KeyDomain domain_of(LimitKeyPart::Kind kind) {
  switch (kind) {
    case LimitKeyPart::Kind::user: return KeyDomain::user;
    case LimitKeyPart::Kind::tenant: return KeyDomain::tenant;
    case LimitKeyPart::Kind::address: return KeyDomain::address;
    case LimitKeyPart::Kind::api_key: return KeyDomain::api_key;
    case LimitKeyPart::Kind::route: return KeyDomain::route;
    case LimitKeyPart::Kind::service: return KeyDomain::service;
    case LimitKeyPart::Kind::header: return KeyDomain::header;
    case LimitKeyPart::Kind::claim: return KeyDomain::claim;
  }
  return {};
}

std::string why_absent(const config::CompiledKeyPart& part, const LimitQuestion& question) {
  switch (part.kind) {
    case LimitKeyPart::Kind::header:
      if (!question.peer_trusted && !part.from_anyone && question.fields.only_value(part.name)) {
        return fmt::format("header {} counts from trusted proxies alone", part.name);
      }
      return fmt::format("no header {}", part.name);
    case LimitKeyPart::Kind::claim: return fmt::format("no claim {}", part.name);
    case LimitKeyPart::Kind::api_key: return "no API key";
    case LimitKeyPart::Kind::tenant: return "no tenant";
    default: return "no user";
  }
}

// A value for a terminal: anybody's token or header may hold anything.
std::string printable(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == access::kLimitClaimSeparator) {
      out += ',';
    } else {
      out += c >= 0x20 && c < 0x7F ? c : '?';
    }
  }
  return out;
}

ExplainedKeyPart explain_part(const config::CompiledKeyPart& part, const LimitQuestion& question, bool address_known) {
  LimitValue found = limit_value(part, question);
  KeyDomain own = domain_of(part.kind);
  ExplainedKeyPart out{.part = std::string(limit::domain_name(own)),
                       .kind = std::string(limit::domain_name(found.domain)),
                       .value = printable(found.value),
                       .why = found.domain == own ? std::string() : why_absent(part, question)};
  if (!part.name.empty()) out.part += ' ' + part.name;
  if (found.domain == KeyDomain::address) out.value = address_known ? to_string(question.client) : std::string();
  return out;
}

ExplainedLimit explain_limit(const config::CompiledRouteLimit& use) {
  const config::RateLimit& rule = use.limit->rule;
  return {.name = rule.name,
          .stage = rule.stage,
          .reached = false,
          .cost = use.cost,
          .cost_field = rule.cost.field,
          .most = rule.cost.most,
          .count = rule.count,
          .shared = rule.shared,
          .report_only = rule.report_only};
}

void explain_bucket(const config::CompiledLimit& limit, const LimitQuestion& question, ExplainedLimit& out) {
  const config::CompiledBucket& bucket = find_case(limit, question);
  out.matched_case = bucket.value;
  if (bucket.unlimited) return;
  const config::RateLimit& rule = limit.rule;
  auto same = std::ranges::find(rule.cases, bucket.value, &config::LimitCase::value);
  const config::BucketSize& size = same == rule.cases.end() ? rule.size : *same->size;
  out.tokens = size.tokens;
  out.refill_per_second = size.refill_per_second;
}

std::string text_of(const ExplainedKeyPart& part) {
  bool of_address = part.kind == "address";
  std::string text = of_address && part.value.empty() ? "address of the client" : part.kind + ' ' + part.value;
  // A header's and a claim's name are part of what the value means.
  if (part.why.empty() && (part.kind == "header" || part.kind == "claim")) text = part.part + ' ' + part.value;
  if (of_address && part.value.contains(':')) text += " (its /64)";
  if (!part.why.empty()) text += fmt::format(" ({})", part.why);
  return text;
}

std::string cost_of(const ExplainedLimit& limit) {
  if (!limit.cost_field.empty()) {
    return fmt::format("reserves {}, costs what {} says, at most {}", limit.cost, limit.cost_field, limit.most);
  }
  std::string text = fmt::format("costs {}", limit.cost);
  if (!limit.count.empty()) text += fmt::format(" if the answer is {}", fmt::join(limit.count, " or "));
  return text;
}

}  // namespace

std::vector<ExplainedLimit> explain_limits(const LimitQuestion& question, const LimitExplanation& known) {
  std::vector<ExplainedLimit> limits;
  LimitQuestion of_nobody = question;
  of_nobody.caller = {};
  for (const config::CompiledRouteLimit& use : question.route.limits) {
    const config::CompiledLimit& limit = *use.limit;
    ExplainedLimit& out = limits.emplace_back(explain_limit(use));
    bool early = out.stage == config::LimitStage::before_authentication;
    out.reached = known.late_reached || early;
    if (!out.reached) continue;
    const LimitQuestion& asked = early ? of_nobody : question;
    for (const auto& part : limit.key) out.key.push_back(explain_part(part, asked, known.address_known));
    explain_bucket(limit, asked, out);
    out.exempt = exempt_by(limit.rule.exempt, asked);
    out.address_decides = !known.address_known && !limit.rule.exempt.addresses.empty();
  }
  return limits;
}

std::string to_text(const ExplainedLimit& limit) {
  std::string text = limit.name + ": ";
  if (!limit.reached) return text + "not reached";
  if (!limit.exempt.empty()) return text + fmt::format("exempt by its {}", limit.exempt);
  for (const ExplainedKeyPart& part : limit.key) text += text_of(part) + ", ";
  if (!limit.matched_case.empty()) text += fmt::format("case {}, ", limit.matched_case);
  if (limit.tokens == 0) return text + "unlimited";
  text += fmt::format("{} token{}, {}, {}", limit.tokens, limit.tokens == 1 ? "" : "s",
                      config::rate_to_text(limit.refill_per_second), cost_of(limit));
  if (limit.stage == config::LimitStage::before_authentication) text += ", before authentication";
  if (limit.shared) text += ", shared";
  if (limit.report_only) text += ", report only";
  if (limit.address_decides) text += ", but some addresses are exempt";
  return text;
}

}  // namespace lotagate
