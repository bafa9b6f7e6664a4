// Rate limits as the request path uses them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config/snapshot.h"

namespace lotagate::config {

// `claims`: limit_claims() of the configuration.
std::vector<CompiledKeyPart> compile_key(const std::vector<LimitKeyPart>& key, const std::vector<std::string>& claims);

// One for each of `config.rate_limits`.
std::vector<CompiledLimit> compile_limits(const Config& config, const CompileHooks& hooks);

struct CompiledRouteLimits {
  std::vector<CompiledRouteLimit> all;  // those before authentication first
  std::size_t early = 0;                // how many those are
};

CompiledRouteLimits compile_route_limits(const Route& route, const std::vector<CompiledLimit>& limits);

}  // namespace lotagate::config
