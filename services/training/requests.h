// The bodies that the training service takes, read and checked.
#pragma once

#include <string>
#include <string_view>

#include "common/problem.h"
#include "training/fit.h"

namespace lotagate::training {

struct NewModel {
  std::string name;
  std::string kind;
};

struct Training {
  Dataset data;
  FitOptions options;
};

// {"name","kind"}: 400 for another shape, 422 for another kind or a name that is empty or too long.
services::Outcome<NewModel> read_new_model(std::string_view body);

// {"rows":[{"x":[...],"y":n},...],"epochs"?,"ridge"?}: 400 for another shape; 422 for too few or too many rows, rows of
// unequal length, and for a logistic model targets other than 0 and 1 or one of them missing.
services::Outcome<Training> read_training(std::string_view body, std::string_view kind);

}  // namespace lotagate::training
