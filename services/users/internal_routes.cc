#include <fmt/format.h>

#include "base/result.h"
#include "base/text.h"
#include "common/json_writer.h"
#include "common/secrets.h"
#include "users/access.h"
#include "users/api_keys.h"
#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

constexpr std::uint64_t kLongestWaitSeconds = 30;

bool shows_token(const Request& request, std::string_view service_token) {
  constexpr std::string_view kScheme = "Bearer ";
  auto value = request.header("Authorization");
  if (value.size() < kScheme.size() || !iequals(value.substr(0, kScheme.size()), kScheme)) return false;
  return services::secrets_equal(trim(value.substr(kScheme.size())), service_token);
}

Outcome<Response> show_access(const Request& request, services::Database& database) {
  auto access =
      database.read([&](services::Transaction& transaction) { return access_of(transaction, request.captures[0]); });
  if (!access) return refuse(404, "unknown_user", "There is no such user.");
  JsonWriter json;
  json.begin_object().member("subject", access->subject).member("tenant", access->tenant).member("plan", access->plan);
  json.key("roles").array(access->roles).key("permissions").array(access->permissions);
  json.member("revision", access->revision).member("disabled", access->disabled);
  if (!access->revoked_sessions.empty()) json.key("revoked_sessions").array(access->revoked_sessions);
  json.end_object();
  return services::json_response(200, json.take());
}

Outcome<Response> show_api_key(const Request& request, services::Database& database) {
  auto grant =
      database.read([&](services::Transaction& transaction) { return key_grant(transaction, request.captures[0]); });
  if (!grant) return refuse(404, "unknown_api_key", "There is no such API key.");
  JsonWriter json;
  json.begin_object().member("key_id", grant->id).member("subject", grant->account);
  json.key("permissions").array(grant->permissions);
  json.member("revision", grant->revision).member("disabled", grant->disabled);
  if (grant->expires_at) json.member("expires_at", *grant->expires_at);
  return services::json_response(200, json.end_object().take());
}

std::string to_json(const Changes& changes) {
  JsonWriter json;
  json.begin_object().member("revision", changes.revision);
  if (changes.all) {
    json.member("all", true);
  } else {
    json.key("subjects").array(changes.subjects);
    if (!changes.api_keys.empty()) json.key("api_keys").array(changes.api_keys);
  }
  return json.end_object().take();
}

Outcome<Response> show_changes(const Request& request, ChangeFeed& feed) {
  auto since_text = request.parameter("since");
  if (!since_text) {
    return services::json_response(
        200, to_json({.revision = feed.revision(), .all = false, .subjects = {}, .api_keys = {}}));
  }
  auto since = parse_decimal(*since_text);
  if (!since || *since > INT64_MAX)
    return refuse(400, "invalid_since", "`since` is a revision from an earlier answer.");
  auto wait = parse_decimal(request.parameter("wait").value_or(std::to_string(kLongestWaitSeconds)));
  if (!wait || *wait > kLongestWaitSeconds) {
    return refuse(400, "invalid_wait", fmt::format("`wait` is 0 to {} seconds.", kLongestWaitSeconds));
  }
  Changes changes = feed.wait_beyond(static_cast<std::int64_t>(*since), std::chrono::seconds(*wait));
  return services::json_response(200, to_json(changes));
}

}  // namespace

void add_internal_routes(services::Router& router, services::Database& database, ChangeFeed& changes,
                         const std::string& service_token) {
  using services::answering;
  router.guard([service_token](const Request& request) -> std::optional<Response> {
    if (shows_token(request, service_token)) return std::nullopt;
    Response response =
        services::problem_response({401, "invalid_service_token", "A valid service token is required."});
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  });
  router.add("GET", "/internal/v1/users/{}/access",
             answering([&](const Request& request) { return show_access(request, database); }));
  router.add("GET", "/internal/v1/api-keys/{}",
             answering([&](const Request& request) { return show_api_key(request, database); }));
  router.add("GET", "/internal/v1/changes",
             answering([&](const Request& request) { return show_changes(request, changes); }));
}

}  // namespace lotagate::users
