// From the configuration's `limit_store` to what the shared buckets are told.
#pragma once

#include "config/config.h"
#include "limit/shared_buckets.h"

namespace lotagate {

limit::StoreSettings store_settings(const config::LimitStore& store);

// Its lines go to the diagnostic log.
limit::StoreHooks store_hooks();

}  // namespace lotagate
