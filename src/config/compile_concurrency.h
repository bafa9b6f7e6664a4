// Concurrency limits as the request path uses them.
#pragma once

#include <vector>

#include "config/snapshot.h"

namespace lotagate::config {

// One for each of `config.concurrency_limits`.
std::vector<CompiledConcurrency> compile_concurrency(const Config& config, const CompileHooks& hooks);

// Those of a route. First what belongs to callers, then what all share, each in the order of the configuration: one
// order for all routes, so that requests that hold a place and wait for another never wait for each other; and nobody
// occupies a place of everybody's while waiting for one of his own.
std::vector<const CompiledConcurrency*> compile_route_concurrency(const Route& route,
                                                                  const std::vector<CompiledConcurrency>& limits);

}  // namespace lotagate::config
