#include "base/result.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::Request;
using services::Response;

Response key_list(const KeyRing& ring) {
  KeyTime now = key_time_now();
  JsonWriter json;
  json.begin_object().key("keys").begin_array();
  for (std::size_t index = 0; index < ring.keys().size(); ++index) {
    const RingKey& key = ring.keys()[index];
    json.begin_object().member("kid", key.key->id()).member("alg", to_text(key.key->algorithm()));
    json.member("state", to_text(ring.state(index, now)));
    json.member("active_from", std::chrono::floor<std::chrono::seconds>(key.active_from).time_since_epoch().count());
    json.end_object();
  }
  return services::json_response(200, json.end_array().end_object().take());
}

Outcome<Response> rotate(const Request& request, KeyStore& keys) {
  TRY(body, JsonBody::parse(request.body.empty() ? "{}" : request.body, {"emergency"}));
  TRY(emergency, body.optional<bool>("emergency"));
  return key_list(*keys.rotate(emergency.value_or(false)));
}

}  // namespace

void add_key_routes(services::Router& router, KeyStore& keys) {
  router.add("GET", "/internal/v1/keys", [&](const Request&) { return key_list(*keys.ring()); });
  router.add("POST", "/internal/v1/keys/rotate",
             services::answering([&](const Request& request) { return rotate(request, keys); }));
}

}  // namespace lotagate::users
