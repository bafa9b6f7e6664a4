// The JSON that the inference service takes, from clients and from the training service.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/problem.h"
#include "inference/parameters.h"

namespace lotagate::inference {

struct Question {
  std::string model;
  std::vector<std::vector<double>> rows;
  bool single = false;  // asked with `x`: the answer has one prediction and no array
  bool stream = false;
  std::chrono::milliseconds interval{0};  // between two rows of a stream
};

// {"model", "x":[...] or "rows":[[...],...], "stream"?, "interval_ms"?}: 400 for another shape, 422 for values out of
// their bounds.
services::Outcome<Question> read_question(std::string_view body);

// The answer of GET /api/v1/models/{id}/parameters.
services::Outcome<Parameters> read_parameters(std::string_view body);

}  // namespace lotagate::inference
