#include "users/token_issuer.h"

#include "common/base64url.h"
#include "common/json_writer.h"
#include "common/secrets.h"

namespace lotagate::users {

using services::JsonWriter;

std::string TokenIssuer::issue(std::string_view subject, std::string_view tenant) const {
  auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  JsonWriter header;
  header.begin_object().member("alg", "RS256").member("typ", "at+jwt").member("kid", key_.id()).end_object();
  constexpr std::size_t kTokenIdBytes = 16;
  JsonWriter claims;
  claims.begin_object()
      .member("iss", options_.issuer)
      .member("sub", subject)
      .member("aud", options_.audience)
      .member("exp", (now + options_.life).count())
      .member("iat", now.count())
      .member("nbf", now.count())
      .member("jti", services::random_token(kTokenIdBytes))
      .member("tenant", tenant)
      .end_object();
  std::string token = services::base64url_encode(header.take());
  token += '.';
  token += services::base64url_encode(claims.take());
  std::string signature = services::base64url_encode(key_.sign(token));
  token += '.';
  token += signature;
  return token;
}

std::string TokenIssuer::jwks() const {
  JsonWriter json;
  json.begin_object().key("keys").begin_array().raw(key_.jwk()).end_array().end_object();
  return json.take();
}

}  // namespace lotagate::users
