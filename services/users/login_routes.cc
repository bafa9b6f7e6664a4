#include "common/json_reader.h"
#include "common/json_writer.h"
#include "common/secrets.h"
#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

// Bounds the work of hashing what a client sends.
constexpr std::size_t kMaxPasswordBytes = 1024;

Outcome<Response> log_in(const Request& request, AccountStore& accounts, PasswordHasher& hasher,
                         const TokenIssuer& issuer) {
  TRY(body, JsonBody::parse(request.body, {"username", "password"}));
  TRY(username, body.required<std::string_view>("username"));
  TRY(password, body.required<std::string_view>("password"));
  if (password.size() > kMaxPasswordBytes) return refuse(400, "password_too_long", "The password is too long.");

  // An unknown user costs the same and reads the same as a wrong password: neither may tell who has an account.
  auto credentials = accounts.credentials(username);
  TRY(fits, hasher.verify(password, credentials ? credentials->password_hash : hasher.unmatchable()));
  if (!credentials || !fits) return refuse(401, "invalid_credentials", "The username or the password is wrong.");
  if (credentials->disabled) return refuse(403, "account_disabled", "This account is disabled.");

  std::string session = services::random_id("ses_");
  TokenSubject subject{.account = credentials->id, .tenant = credentials->tenant, .session = session};
  JsonWriter json;
  json.begin_object()
      .member("access_token", issuer.issue(subject))
      .member("token_type", "Bearer")
      .member("expires_in", issuer.life().count())
      .end_object();
  Response response = services::json_response(200, json.take());
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response cacheable(std::string body, std::chrono::seconds fresh_for) {
  Response response = services::json_response(200, std::move(body));
  response.headers.emplace_back("Cache-Control", fmt::format("public, max-age={}", fresh_for.count()));
  return response;
}

}  // namespace

void add_login_routes(services::Router& router, AccountStore& accounts, PasswordHasher& hasher,
                      const TokenIssuer& issuer) {
  router.add("POST", "/api/v1/users/login",
             services::answering([&](const Request& request) { return log_in(request, accounts, hasher, issuer); }));
  router.add("GET", "/.well-known/jwks.json",
             [&](const Request&) { return cacheable(issuer.jwks(), issuer.documents_fresh_for()); });
  router.add("GET", "/.well-known/openid-configuration",
             [&](const Request&) { return cacheable(issuer.discovery(), issuer.documents_fresh_for()); });
}

}  // namespace lotagate::users
