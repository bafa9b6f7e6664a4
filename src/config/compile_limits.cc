#include "config/compile_limits.h"

#include <algorithm>

#include "base/check.h"
#include "limit/fields.h"
#include "limit/limit_key.h"

namespace lotagate::config {
namespace {

// Nothing without cases, and their values with them: of what a bucket's seed and its name in the store are made.
std::string bucket_name(const RateLimit& rule, const std::string& value) {
  return value.empty() ? rule.name : rule.name + '/' + value;
}

CompiledBucket compile_bucket(const RateLimit& rule, const std::string& value, const BucketSize& size,
                              const CompileHooks& hooks) {
  std::uint32_t debt = rule.cost.field.empty() ? 0 : rule.cost.most;
  auto policy = limit::make_bucket_policy(size.tokens, size.refill_per_second, debt);
  LG_CHECK(policy.has_value(), "the loader let an impossible rate limit pass");
  policy->kind = hooks.bucket_kind(rule.name, value);
  std::string name = bucket_name(rule, value);
  char item[limit::kMaxLimitItem];
  CompiledBucket bucket{.value = value,
                        .unlimited = false,
                        .policy = *policy,
                        .seed = limit::policy_seed(name),
                        .policy_item = {},
                        .shared = nullptr};
  bucket.policy_item = limit::write_ratelimit_policy(item, limit::quote_policy_name(rule.name), *policy);
  if (rule.shared && hooks.shared_policy) {
    bucket.shared =
        hooks.shared_policy({.name = name, .bucket = *policy, .most_debt = debt, .on_failure = rule.on_store_failure});
  }
  return bucket;
}

std::uint32_t claim_index(const std::vector<std::string>& claims, const std::string& path) {
  auto found = std::ranges::find(claims, path);
  return static_cast<std::uint32_t>(found - claims.begin());
}

bool exempts_nobody(const LimitExemptions& exempt) {
  return exempt.addresses.empty() && exempt.paths.empty() && exempt.users.empty();
}

CompiledLimit compile_limit(const RateLimit& rule, const std::vector<std::string>& claims, const CompileHooks& hooks) {
  CompiledLimit limit{.rule = rule,
                      .quoted_name = limit::quote_policy_name(rule.name),
                      .key = compile_key(rule.key, claims),
                      .claim = claim_index(claims, rule.by.claim),
                      .buckets = {},
                      .settles = !rule.count.empty() || !rule.cost.field.empty(),
                      .for_everybody = rule.by.kind == LimitSelector::Kind::none && exempts_nobody(rule.exempt)};
  if (rule.by.kind == LimitSelector::Kind::none) {
    limit.buckets.push_back(compile_bucket(rule, {}, rule.size, hooks));
  }
  for (const LimitCase& one : rule.cases) {
    if (one.size) {
      limit.buckets.push_back(compile_bucket(rule, one.value, *one.size, hooks));
    } else {
      limit.buckets.push_back({one.value, true, {}, 0, {}, nullptr});
    }
  }
  return limit;
}

}  // namespace

std::vector<CompiledKeyPart> compile_key(const std::vector<LimitKeyPart>& key, const std::vector<std::string>& claims) {
  std::vector<CompiledKeyPart> out;
  for (const LimitKeyPart& part : key) {
    out.push_back({part.kind, part.name, part.from_anyone, claim_index(claims, part.name)});
  }
  return out;
}

std::vector<std::string> limit_claims(const Config& config) {
  std::vector<std::string> claims;
  auto add = [&](const std::string& path) {
    if (std::ranges::find(claims, path) == claims.end()) claims.push_back(path);
  };
  auto add_key = [&](const std::vector<LimitKeyPart>& key) {
    for (const LimitKeyPart& part : key) {
      if (part.kind == LimitKeyPart::Kind::claim) add(part.name);
    }
  };
  for (const RateLimit& rule : config.rate_limits) {
    if (rule.by.kind == LimitSelector::Kind::claim) add(rule.by.claim);
    add_key(rule.key);
  }
  for (const ConcurrencyLimit& rule : config.concurrency_limits) add_key(rule.key);
  return claims;
}

std::vector<CompiledLimit> compile_limits(const Config& config, const CompileHooks& hooks) {
  const std::vector<std::string> claims = limit_claims(config);
  std::vector<CompiledLimit> limits;
  for (const RateLimit& rule : config.rate_limits) limits.push_back(compile_limit(rule, claims, hooks));
  return limits;
}

CompiledRouteLimits compile_route_limits(const Route& route, const std::vector<CompiledLimit>& limits) {
  CompiledRouteLimits out;
  for (LimitStage stage : {LimitStage::before_authentication, LimitStage::after_authentication}) {
    for (const RouteLimit& use : route.limits) {
      const CompiledLimit& limit = limits[use.limit];
      if (limit.rule.stage != stage) continue;
      out.all.push_back({&limit, use.cost.value_or(limit.rule.cost.tokens)});
      out.early += stage == LimitStage::before_authentication;
    }
  }
  return out;
}

}  // namespace lotagate::config
