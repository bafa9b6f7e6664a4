#include "config/compile_concurrency.h"

#include <algorithm>

#include "config/compile_limits.h"
#include "limit/limit_key.h"

namespace lotagate::config {
namespace {

bool is_shared(const LimitKeyPart& part) {
  return part.kind == LimitKeyPart::Kind::route || part.kind == LimitKeyPart::Kind::service;
}

}  // namespace

std::vector<CompiledConcurrency> compile_concurrency(const Config& config, const CompileHooks& hooks) {
  const std::vector<std::string> claims = limit_claims(config);
  std::vector<CompiledConcurrency> limits;
  for (const ConcurrencyLimit& rule : config.concurrency_limits) {
    limits.push_back({.rule = rule,
                      .key = compile_key(rule.key, claims),
                      .seed = limit::policy_seed("concurrency/" + rule.name),
                      .is_shared = std::ranges::all_of(rule.key, is_shared),
                      .places = hooks.concurrency_limit ? hooks.concurrency_limit(rule.name) : nullptr});
  }
  return limits;
}

std::vector<const CompiledConcurrency*> compile_route_concurrency(const Route& route,
                                                                  const std::vector<CompiledConcurrency>& limits) {
  std::vector<const CompiledConcurrency*> out;
  for (std::size_t index : route.concurrency) out.push_back(&limits[index]);
  // Within one vector the order of addresses is that of the configuration.
  std::ranges::sort(out, [](const CompiledConcurrency* a, const CompiledConcurrency* b) {
    return a->is_shared != b->is_shared ? b->is_shared : a < b;
  });
  return out;
}

}  // namespace lotagate::config
