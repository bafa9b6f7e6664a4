#include "inference/requests.h"

#include <algorithm>

#include "base/text.h"
#include "common/json_reader.h"

namespace lotagate::inference {
namespace {

using services::JsonBody;
using services::Outcome;
using services::refuse;
namespace dom = simdjson::dom;

constexpr std::size_t kMaxModelIdBytes = 64;
constexpr std::size_t kMaxRows = 10'000;
constexpr std::int64_t kMaxIntervalMs = 1000;

// An id becomes part of a path of the training service, so nothing else may be in it.
bool is_model_id(std::string_view text) {
  auto allowed = [](char c) {
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kMaxModelIdBytes && std::ranges::all_of(text, allowed);
}

Outcome<std::vector<std::vector<double>>> read_rows(dom::array array) {
  std::vector<std::vector<double>> rows;
  for (auto element : array) {
    dom::array numbers;
    if (element.get(numbers) != simdjson::SUCCESS) {
      return refuse(400, "wrong_type", "`rows` must hold arrays of numbers.");
    }
    TRY(row, services::read_numbers(numbers, "rows"));
    rows.push_back(std::move(row));
    if (rows.size() > kMaxRows) break;
  }
  if (rows.empty() || rows.size() > kMaxRows) {
    return refuse(422, "invalid_rows", fmt::format("A request has 1 to {} rows.", kMaxRows));
  }
  return rows;
}

Outcome<void> read_input(const JsonBody& json, Question& question) {
  TRY(x, json.optional<dom::array>("x"));
  TRY(rows, json.optional<dom::array>("rows"));
  if (x.has_value() == rows.has_value()) return refuse(400, "missing_member", "Give either `x` or `rows`.");
  question.single = x.has_value();
  if (question.single) {
    TRY(row, services::read_numbers(*x, "x"));
    question.rows.push_back(std::move(row));
  } else {
    TRY(all, read_rows(*rows));
    question.rows = std::move(all);
  }
  return {};
}

}  // namespace

Outcome<Question> read_question(std::string_view body) {
  TRY(json, JsonBody::parse(body, {"model", "x", "rows", "stream", "interval_ms"}));
  TRY(model, json.required<std::string_view>("model"));
  TRY(stream, json.optional<bool>("stream"));
  TRY(interval_ms, json.optional<std::int64_t>("interval_ms"));
  Question question;
  if (!is_model_id(model)) return refuse(404, "unknown_model", "There is no such model.");
  if (interval_ms.value_or(0) < 0 || interval_ms.value_or(0) > kMaxIntervalMs) {
    return refuse(422, "invalid_interval", fmt::format("`interval_ms` is 0 to {}.", kMaxIntervalMs));
  }
  question.model = model;
  question.stream = stream.value_or(false);
  question.interval = std::chrono::milliseconds(interval_ms.value_or(0));
  TRY_VOID(read_input(json, question));
  return question;
}

Outcome<Parameters> read_parameters(std::string_view body) {
  TRY(json, JsonBody::parse(body, {"model", "kind", "version", "trained_at", "intercept", "coefficients"}));
  TRY(model, json.required<std::string_view>("model"));
  TRY(kind, json.required<std::string_view>("kind"));
  TRY(version, json.required<std::int64_t>("version"));
  TRY(intercept, json.required<double>("intercept"));
  TRY(array, json.required<dom::array>("coefficients"));
  TRY(coefficients, services::read_numbers(array, "coefficients"));
  return Parameters{std::string(model), std::string(kind), version, intercept, std::move(coefficients)};
}

}  // namespace lotagate::inference
