#include "common/http_query.h"
#include "common/http_revision.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/api_keys.h"
#include "users/inputs.h"
#include "users/pages.h"
#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

constexpr std::size_t kMaxNameBytes = 100;

void write_members(JsonWriter& json, const ApiKey& key) {
  json.member("id", key.id)
      .member("account", key.account)
      .member("name", key.name)
      .member("hint", key.hint)
      .key("permissions")
      .array(key.permissions)
      .member("disabled", key.disabled)
      .member("created_at", key.created_at);
  if (key.expires_at) json.member("expires_at", *key.expires_at);
}

void write_key(JsonWriter& json, const ApiKey& key) {
  json.begin_object();
  write_members(json, key);
  json.end_object();
}

Response key_response(const ApiKey& key) {
  JsonWriter json;
  write_key(json, key);
  return services::with_revision(services::json_response(200, json.take()), key.revision);
}

Outcome<std::string> label(const std::optional<std::string>& name) {
  if (name && !name->empty()) return *name;
  return refuse(422, "invalid_text", fmt::format("`name` has 1 to {} bytes.", kMaxNameBytes));
}

Outcome<Response> show_keys(Call& call) {
  TRY_VOID(services::only_parameters(call.request, {"limit", "after"}));
  TRY(page, services::page_of(call.request));
  TRY(keys, list_api_keys(call, call.request.captures[0], page.after, page.limit + 1));
  return page_response("api_keys", std::move(keys), page, write_key);
}

Outcome<Response> show_key(Call& call) {
  TRY(key, find_api_key(call, call.request.captures[0], call.request.captures[1]));
  return key_response(key);
}

Outcome<NewApiKey> read_wanted(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"name", "permissions", "expires_at"}));
  TRY_VOID(body.required<std::string_view>("name"));
  TRY(wanted_name, read_label(body, "name", kMaxNameBytes));
  TRY(name, label(wanted_name));
  TRY(permissions, read_permissions(body));
  TRY(expires_at, body.optional<std::int64_t>("expires_at"));
  return NewApiKey{.name = std::move(name),
                   .permissions = permissions.value_or(std::vector<std::string>{std::string(kEverything)}),
                   .expires_at = expires_at};
}

Outcome<Response> create(Call& call, const NewApiKey& wanted) {
  TRY(made, create_api_key(call, call.request.captures[0], wanted));
  JsonWriter json;
  json.begin_object().member("key", made.text);
  write_members(json, made.key);
  Response response = services::json_response(201, json.end_object().take());
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("Location", fmt::format("/api/v1/users/{}/api-keys/{}", made.key.account, made.key.id));
  return services::with_revision(std::move(response), made.key.revision);
}

Outcome<ApiKeyChange> read_change(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"name", "disabled"}));
  ApiKeyChange change;
  TRY(wanted_name, read_label(body, "name", kMaxNameBytes));
  if (wanted_name) {
    TRY(name, label(wanted_name));
    change.name = std::move(name);
  }
  TRY(disabled, body.optional<bool>("disabled"));
  change.disabled = disabled;
  if (!change.name && !change.disabled) return refuse(400, "nothing_to_change", "Give `name` or `disabled`.");
  return change;
}

Outcome<Response> update(Call& call, const ApiKeyChange& change) {
  TRY(key, change_api_key(call, call.request.captures[0], call.request.captures[1], change));
  return key_response(key);
}

Outcome<Response> remove(Call& call) {
  TRY_VOID(remove_api_key(call, call.request.captures[0], call.request.captures[1]));
  return services::json_response(204, {});
}

}  // namespace

void add_api_key_routes(services::Router& router, const Operations& operations) {
  router.add("GET", "/api/v1/users/{}/api-keys", operations.reading(show_keys));
  router.add("POST", "/api/v1/users/{}/api-keys", operations.changing(read_wanted, create));
  router.add("GET", "/api/v1/users/{}/api-keys/{}", operations.reading(show_key));
  router.add("PATCH", "/api/v1/users/{}/api-keys/{}", operations.changing(read_change, update));
  router.add("DELETE", "/api/v1/users/{}/api-keys/{}", operations.changing(remove));
}

}  // namespace lotagate::users
