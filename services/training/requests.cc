#include "training/requests.h"

#include <algorithm>

#include "common/json_reader.h"

namespace lotagate::training {
namespace {

using services::JsonBody;
using services::Outcome;
using services::refuse;
namespace dom = simdjson::dom;

constexpr std::size_t kMaxNameBytes = 128;
constexpr std::size_t kMinRows = 2;
constexpr std::size_t kMaxRows = 100'000;
constexpr std::size_t kMaxFeatures = 128;  // the work grows with their square
constexpr std::int64_t kMaxEpochs = 10'000;

// Appends one {"x":[...],"y":n}. The first row decides how many features there are.
Outcome<void> read_row(dom::element element, Dataset& data) {
  dom::array x;
  double y = 0;
  if (element["x"].get(x) != simdjson::SUCCESS || element["y"].get(y) != simdjson::SUCCESS) {
    return refuse(400, "wrong_type", R"(Each of `rows` must be {"x":[numbers],"y":number}.)");
  }
  TRY(features, services::read_numbers(x, "x"));
  if (data.rows() == 0) data.features = features.size();
  if (features.empty() || features.size() > kMaxFeatures || features.size() != data.features) {
    return refuse(422, "invalid_rows", fmt::format("Every `x` has the same 1 to {} numbers.", kMaxFeatures));
  }
  data.x.insert(data.x.end(), features.begin(), features.end());
  data.y.push_back(y);
  return {};
}

Outcome<Dataset> read_dataset(dom::array rows) {
  Dataset data;
  for (auto element : rows) {
    TRY_VOID(read_row(element, data));
    if (data.rows() > kMaxRows) break;
  }
  if (data.rows() < kMinRows || data.rows() > kMaxRows) {
    return refuse(422, "invalid_rows", fmt::format("A training takes {} to {} rows.", kMinRows, kMaxRows));
  }
  return data;
}

Outcome<void> check_labels(const Dataset& data) {
  bool binary = std::ranges::all_of(data.y, [](double y) { return y == 0 || y == 1; });
  bool both = std::ranges::count(data.y, 1.0) > 0 && std::ranges::count(data.y, 0.0) > 0;
  if (binary && both) return {};
  return refuse(422, "invalid_labels", "For a logistic model every `y` is 0 or 1, and both occur.");
}

}  // namespace

Outcome<NewModel> read_new_model(std::string_view body) {
  TRY(json, JsonBody::parse(body, {"name", "kind"}));
  TRY(name, json.required<std::string_view>("name"));
  TRY(kind, json.required<std::string_view>("kind"));
  if (name.empty() || name.size() > kMaxNameBytes) {
    return refuse(422, "invalid_name", fmt::format("A model's name has 1 to {} bytes.", kMaxNameBytes));
  }
  if (kind != "linear" && kind != "logistic") return refuse(422, "unknown_kind", "`kind` is linear or logistic.");
  return NewModel{std::string(name), std::string(kind)};
}

Outcome<Training> read_training(std::string_view body, std::string_view kind) {
  TRY(json, JsonBody::parse(body, {"rows", "epochs", "ridge"}));
  TRY(rows, json.required<dom::array>("rows"));
  TRY(epochs, json.optional<std::int64_t>("epochs"));
  TRY(ridge, json.optional<double>("ridge"));
  Training training;
  training.options.epochs = epochs.value_or(training.options.epochs);
  training.options.ridge = ridge.value_or(training.options.ridge);
  if (training.options.epochs < 1 || training.options.epochs > kMaxEpochs) {
    return refuse(422, "invalid_epochs", fmt::format("`epochs` is 1 to {}.", kMaxEpochs));
  }
  if (training.options.ridge < 0) return refuse(422, "invalid_ridge", "`ridge` is not negative.");
  TRY(data, read_dataset(rows));
  if (kind == "logistic") TRY_VOID(check_labels(data));
  training.data = std::move(data);
  return training;
}

}  // namespace lotagate::training
