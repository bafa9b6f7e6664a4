// What the configuration says about tokens, as the parts that verify them take it.
#pragma once

#include <memory>

#include "access/authenticator.h"
#include "access/key_set.h"
#include "config/config.h"

namespace lotagate {

access::AuthenticationSettings authentication_settings(const config::Config& config);

// The keys of an issuer with a configured secret; null for any other.
std::shared_ptr<const access::KeySet> secret_keys(const config::Issuer& issuer);

}  // namespace lotagate
