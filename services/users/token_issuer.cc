#include "users/token_issuer.h"

#include <algorithm>

#include "common/base64url.h"
#include "common/json_writer.h"
#include "common/secrets.h"

namespace lotagate::users {

using services::JsonWriter;
using std::chrono::seconds;

std::string TokenIssuer::issue(const TokenSubject& subject) const {
  auto ring = keys_.ring();
  const SigningKey& key = ring->signer(key_time_now());
  auto now = std::chrono::floor<seconds>(std::chrono::system_clock::now().time_since_epoch());
  JsonWriter header;
  header.begin_object();
  header.member("alg", to_text(key.algorithm())).member("typ", "at+jwt").member("kid", key.id()).end_object();
  constexpr std::size_t kTokenIdBytes = 16;
  JsonWriter claims;
  claims.begin_object()
      .member("iss", options_.issuer)
      .member("sub", subject.account)
      .member("aud", options_.audience)
      .member("exp", (now + options_.life).count())
      .member("iat", now.count())
      .member("nbf", now.count())
      .member("jti", services::random_token(kTokenIdBytes))
      .member("sid", subject.session)
      .member("tenant", subject.tenant)
      .end_object();
  std::string token = services::base64url_encode(header.take());
  token += '.';
  token += services::base64url_encode(claims.take());
  std::string signature = services::base64url_encode(key.sign(token));
  token += '.';
  token += signature;
  return token;
}

std::string TokenIssuer::jwks() const { return keys_.ring()->jwks(key_time_now()); }

std::string TokenIssuer::discovery() const {
  std::string base = options_.issuer;
  if (base.ends_with('/')) base.pop_back();
  JsonWriter json;
  json.begin_object().member("issuer", options_.issuer).member("jwks_uri", base + "/.well-known/jwks.json");
  json.key("id_token_signing_alg_values_supported").array(keys_.ring()->algorithms(key_time_now()));
  return json.end_object().take();
}

seconds TokenIssuer::documents_fresh_for() const {
  constexpr seconds kLongest(300);
  return std::min(kLongest, std::chrono::floor<seconds>(keys_.times().lead / 2));
}

}  // namespace lotagate::users
