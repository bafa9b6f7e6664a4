#include "users/openapi.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/text.h"
#include "common/json_writer.h"
#include "common/startup_error.h"
#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::JsonWriter;
using services::Request;
using services::Response;

// A plain scalar as YAML's core schema reads it, as far as the document uses that; a quoted one is a text.
void write_scalar(JsonWriter& json, const YAML::Node& node) {
  const std::string& text = node.Scalar();
  bool plain = node.Tag() == "?";
  bool number = text != "-" && parse_decimal(text.starts_with('-') ? text.substr(1) : text).has_value();
  if (plain && (text == "true" || text == "false" || number)) {
    json.raw(text);
  } else {
    json.value(text);
  }
}

void write_node(JsonWriter& json, const YAML::Node& node) {
  if (node.IsMap()) {
    json.begin_object();
    for (const auto& member : node) {
      json.key(member.first.Scalar());
      write_node(json, member.second);
    }
    json.end_object();
  } else if (node.IsSequence()) {
    json.begin_array();
    for (const auto& item : node) write_node(json, item);
    json.end_array();
  } else if (node.IsScalar()) {
    write_scalar(json, node);
  } else {
    json.raw("null");
  }
}

std::string to_json(std::string_view yaml) {
  try {
    JsonWriter json;
    write_node(json, YAML::Load(std::string(yaml)));
    return json.take();
  } catch (const YAML::Exception& error) {
    throw services::StartupError(fmt::format("the API's document is not YAML: {}", error.what()));
  }
}

Response document(std::string body, std::string content_type) {
  Response response = services::json_response(200, std::move(body));
  response.content_type = std::move(content_type);
  response.headers.emplace_back("Cache-Control", "public, max-age=300");
  return response;
}

}  // namespace

void add_openapi_routes(services::Router& router) {
  router.add("GET", "/api/v1/users/openapi.json",
             [json = to_json(kOpenapiYaml)](const Request&) { return document(json, "application/json"); });
  router.add("GET", "/api/v1/users/openapi.yaml",
             [](const Request&) { return document(std::string(kOpenapiYaml), "application/yaml"); });
}

}  // namespace lotagate::users
