// The paths of the training service.
#pragma once

#include "common/router.h"
#include "training/models.h"
#include "training/trainer.h"

namespace lotagate::training {

// /api/v1/models and below; `models` and `trainer` must outlive the router.
void add_model_routes(services::Router& router, ModelStore& models, Trainer& trainer);

}  // namespace lotagate::training
