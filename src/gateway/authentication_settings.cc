#include "gateway/authentication_settings.h"

#include "base/check.h"
#include "config/snapshot.h"

namespace lotagate {

access::AuthenticationSettings authentication_settings(const config::Config& config) {
  access::AuthenticationSettings settings;
  settings.clock_skew = config.authentication.clock_skew;
  settings.max_token_bytes = config.limits.token;
  settings.cache_bytes = config.authentication.token_cache_bytes;
  for (const config::Issuer& issuer : config.authentication.issuers) {
    settings.issuers.push_back({.issuer = issuer.issuer,
                                .audiences = issuer.audiences,
                                .algorithms = issuer.algorithms,
                                .type = issuer.type,
                                .required_claims = issuer.required_claims,
                                .subject_prefix = issuer.subject_prefix,
                                .rights = issuer.rights});
  }
  settings.role_permissions = config.roles;
  settings.limit_claims = config::limit_claims(config);
  return settings;
}

std::shared_ptr<const access::KeySet> secret_keys(const config::Issuer& issuer) {
  if (issuer.secret.empty()) return nullptr;
  auto keys = access::secret_key_set(issuer.secret, issuer.algorithms);
  LG_CHECK(keys.has_value(), "the loader let an unusable secret pass");
  return std::make_shared<const access::KeySet>(*std::move(keys));
}

}  // namespace lotagate
