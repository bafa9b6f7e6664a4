#include "training/routes.h"

#include <fmt/format.h>

#include "base/result.h"
#include "base/text.h"
#include "common/identity.h"
#include "common/json_writer.h"
#include "training/requests.h"

namespace lotagate::training {
namespace {

using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

constexpr std::uint64_t kDefaultPage = 100;
constexpr std::uint64_t kMaxPage = 1000;

void write_model(JsonWriter& json, const Model& model) {
  json.begin_object()
      .member("id", model.id)
      .member("name", model.name)
      .member("kind", model.kind)
      .member("state", model.state)
      .member("created_at", model.created_at)
      .member("version", model.version);
  if (!model.error.empty()) json.member("error", model.error);
  if (model.version > 0) {
    json.member("trained_at", model.trained_at).member("rows", model.rows).member("features", model.features);
    json.key("metrics").raw(model.metrics);
  }
  json.end_object();
}

Response model_response(int status, const Model& model) {
  JsonWriter json;
  write_model(json, model);
  Response response = services::json_response(status, json.take());
  if (status != 200) response.headers.emplace_back("Location", "/api/v1/models/" + model.id);
  return response;
}

std::string tenant_of(const Request& request) { return services::caller_of(request).tenant; }

Outcome<Response> create_model(const Request& request, ModelStore& models) {
  TRY(wanted, read_new_model(request.body));
  TRY(model, models.create(tenant_of(request), wanted.name, wanted.kind));
  return model_response(201, model);
}

Outcome<Response> list_models(const Request& request, ModelStore& models) {
  auto limit = parse_decimal(request.parameter("limit").value_or(std::to_string(kDefaultPage)));
  if (!limit || *limit == 0 || *limit > kMaxPage) {
    return refuse(400, "invalid_limit", fmt::format("`limit` is a number from 1 to {}.", kMaxPage));
  }
  // One more than asked for tells whether there is a next page.
  auto page =
      models.list(tenant_of(request), request.parameter("after").value_or(""), static_cast<std::int64_t>(*limit) + 1);
  bool more = page.size() > *limit;
  if (more) page.pop_back();
  JsonWriter json;
  json.begin_object().key("models").begin_array();
  for (const Model& model : page) write_model(json, model);
  json.end_array();
  if (more) json.member("next", page.back().id);
  json.end_object();
  return services::json_response(200, json.take());
}

Outcome<Response> show_model(const Request& request, ModelStore& models) {
  TRY(model, models.find(tenant_of(request), request.captures[0]));
  return model_response(200, model);
}

Outcome<Response> remove_model(const Request& request, ModelStore& models) {
  TRY_VOID(models.remove(tenant_of(request), request.captures[0]));
  return services::json_response(204, {});
}

// The ETag is the version, so that a reader who asks again learns cheaply that nothing changed.
Outcome<Response> show_parameters(const Request& request, ModelStore& models) {
  TRY(model, models.find(tenant_of(request), request.captures[0]));
  if (model.version == 0) return refuse(409, "not_trained", "The model has not been trained.");
  std::string tag = fmt::format("\"{}\"", model.version);
  Response response;
  if (request.header("If-None-Match") == tag) {
    response.status = 304;
  } else {
    JsonWriter json;
    json.begin_object()
        .member("model", model.id)
        .member("kind", model.kind)
        .member("version", model.version)
        .member("trained_at", model.trained_at)
        .member("intercept", model.intercept);
    json.key("coefficients").raw(model.coefficients).end_object();
    response.body = json.take();
  }
  response.headers.emplace_back("ETag", std::move(tag));
  return response;
}

Outcome<Response> train_model(const Request& request, ModelStore& models, Trainer& trainer) {
  std::string tenant = tenant_of(request);
  TRY(model, models.find(tenant, request.captures[0]));
  TRY(training, read_training(request.body, model.kind));
  TRY_VOID(trainer.submit({.tenant = tenant,
                           .model = model.id,
                           .kind = model.kind,
                           .data = std::move(training.data),
                           .options = training.options}));
  model.state = "training";
  model.error.clear();
  return model_response(202, model);
}

}  // namespace

void add_model_routes(services::Router& router, ModelStore& models, Trainer& trainer) {
  using services::answering;
  router.add("POST", "/api/v1/models",
             answering([&](const Request& request) { return create_model(request, models); }));
  router.add("GET", "/api/v1/models", answering([&](const Request& request) { return list_models(request, models); }));
  router.add("GET", "/api/v1/models/{}",
             answering([&](const Request& request) { return show_model(request, models); }));
  router.add("DELETE", "/api/v1/models/{}",
             answering([&](const Request& request) { return remove_model(request, models); }));
  router.add("GET", "/api/v1/models/{}/parameters",
             answering([&](const Request& request) { return show_parameters(request, models); }));
  router.add("POST", "/api/v1/models/{}/train",
             answering([&](const Request& request) { return train_model(request, models, trainer); }));
}

}  // namespace lotagate::training
