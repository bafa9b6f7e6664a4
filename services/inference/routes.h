// The paths of the inference service.
#pragma once

#include "common/router.h"
#include "common/stop_signal.h"
#include "inference/parameters.h"

namespace lotagate::inference {

// /api/v1/infer; `parameters` and `stop`, which ends streams, must outlive the router.
void add_inference_routes(services::Router& router, ParameterCache& parameters, services::StopSignal& stop);

}  // namespace lotagate::inference
