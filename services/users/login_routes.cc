#include <fmt/format.h>

#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::Request;
using services::Response;

Response cacheable(std::string body, std::chrono::seconds fresh_for) {
  Response response = services::json_response(200, std::move(body));
  response.headers.emplace_back("Cache-Control", fmt::format("public, max-age={}", fresh_for.count()));
  return response;
}

}  // namespace

void add_login_routes(services::Router& router, Logins& logins) {
  using services::answering;
  router.add("POST", "/api/v1/users/login", answering([&](const Request& request) { return logins.log_in(request); }));
  router.add("POST", "/api/v1/users/refresh",
             answering([&](const Request& request) { return logins.refresh(request); }));
  router.add("POST", "/api/v1/users/logout",
             answering([&](const Request& request) { return logins.log_out(request); }));
}

void add_key_documents(services::Router& router, const TokenIssuer& issuer) {
  router.add("GET", "/.well-known/jwks.json",
             [&](const Request&) { return cacheable(issuer.jwks(), issuer.documents_fresh_for()); });
  router.add("GET", "/.well-known/openid-configuration",
             [&](const Request&) { return cacheable(issuer.discovery(), issuer.documents_fresh_for()); });
}

}  // namespace lotagate::users
