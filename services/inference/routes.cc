#include "inference/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/result.h"
#include "base/text.h"
#include "common/identity.h"
#include "common/json_writer.h"
#include "inference/requests.h"

namespace lotagate::inference {
namespace {

using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;
using services::StopSignal;

constexpr double kEvenOdds = 0.5;

// {"y":number} of a linear model; {"probability":number,"label":0 or 1} of a logistic one.
void write_prediction(JsonWriter& json, const Parameters& parameters, const std::vector<double>& row) {
  double score = parameters.intercept;
  for (std::size_t i = 0; i < row.size(); ++i) score += parameters.coefficients[i] * row[i];
  if (parameters.kind == "linear") {
    json.member("y", score);
    return;
  }
  double probability = 1 / (1 + std::exp(-score));
  json.member("probability", probability).member("label", probability >= kEvenOdds ? 1 : 0);
}

Outcome<void> check_width(const Question& question, const Parameters& parameters) {
  std::size_t width = parameters.coefficients.size();
  if (std::ranges::all_of(question.rows, [&](const auto& row) { return row.size() == width; })) return {};
  return refuse(422, "wrong_features", fmt::format("The model takes {} numbers per row.", width));
}

Response answer_at_once(const Question& question, const Parameters& parameters) {
  JsonWriter json;
  json.begin_object().member("model", parameters.model).member("version", parameters.version);
  json.key(question.single ? "prediction" : "predictions");
  if (!question.single) json.begin_array();
  for (const auto& row : question.rows) {
    json.begin_object();
    write_prediction(json, parameters, row);
    json.end_object();
  }
  if (!question.single) json.end_array();
  json.end_object();
  return services::json_response(200, json.take());
}

// One event per row, then `done`. A stop breaks the stream off; the client sees no `done`.
class PredictionStream {
 public:
  PredictionStream(Question question, std::shared_ptr<const Parameters> parameters, StopSignal& stop)
      : question_(std::move(question)), parameters_(std::move(parameters)), stop_(stop) {}

  std::optional<std::string> next() {
    if (next_row_ > question_.rows.size()) return std::nullopt;
    bool pause = next_row_ > 0 && next_row_ < question_.rows.size();
    if (stop_.wait_for(pause ? question_.interval : std::chrono::milliseconds(0))) {
      throw std::runtime_error("the service is stopping");
    }
    JsonWriter data;
    data.begin_object();
    std::size_t index = next_row_++;
    if (index == question_.rows.size()) {
      data.member("rows", static_cast<std::int64_t>(index)).end_object();
      return "event: done\ndata: " + data.take() + "\n\n";
    }
    data.member("index", static_cast<std::int64_t>(index));
    write_prediction(data, *parameters_, question_.rows[index]);
    data.end_object();
    return "event: prediction\ndata: " + data.take() + "\n\n";
  }

 private:
  Question question_;
  std::shared_ptr<const Parameters> parameters_;
  StopSignal& stop_;
  std::size_t next_row_ = 0;
};

bool accepts_events(const Request& request) {
  bool accepts = false;
  for_each_list_item(request.header("Accept"), [&](std::string_view item) {
    accepts |= iequals(trim(item.substr(0, item.find(';'))), "text/event-stream");
  });
  return accepts;
}

Outcome<Response> infer(const Request& request, ParameterCache& cache, StopSignal& stop) {
  TRY(question, read_question(request.body));
  TRY(parameters, cache.get(services::caller_of(request).tenant, question.model));
  TRY_VOID(check_width(question, *parameters));
  if (!question.stream && !accepts_events(request)) return answer_at_once(question, *parameters);

  auto stream = std::make_shared<PredictionStream>(std::move(question), parameters, stop);
  Response response{.content_type = "text/event-stream", .next_part = [stream] { return stream->next(); }};
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Response describe(const Request&) {
  JsonWriter json;
  json.begin_object().member("status", "ok").member("service", "inference").key("kinds");
  json.begin_array().value("linear").value("logistic").end_array().end_object();
  return services::json_response(200, json.take());
}

}  // namespace

void add_inference_routes(services::Router& router, ParameterCache& parameters, StopSignal& stop) {
  router.add("GET", "/api/v1/infer", describe);
  router.add("POST", "/api/v1/infer",
             services::answering([&](const Request& request) { return infer(request, parameters, stop); }));
}

}  // namespace lotagate::inference
