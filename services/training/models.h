// The registry of models. A caller sees the models of its own tenant and no others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/database.h"
#include "common/problem.h"
#include "training/fit.h"

namespace lotagate::training {

struct Model {
  std::string id;  // `mdl_...`
  std::string name;
  std::string kind;             // linear, logistic
  std::string state;            // registered, training, ready, failed
  std::string error;            // why the last training failed
  std::int64_t created_at = 0;  // seconds since 1970
  // Of the last training that succeeded; version 0: none has.
  std::int64_t version = 0;
  std::int64_t trained_at = 0;
  std::int64_t rows = 0;
  std::int64_t features = 0;
  double intercept = 0;
  std::string coefficients;  // a JSON array
  std::string metrics;       // a JSON object
};

class ModelStore {
 public:
  // Trainings that an earlier process did not finish become failed.
  explicit ModelStore(services::Database& database);

  // 409 if the tenant has a model of this name.
  services::Outcome<Model> create(std::string_view tenant, std::string_view name, std::string_view kind);
  // 404.
  services::Outcome<Model> find(std::string_view tenant, std::string_view id);
  // At most `limit` models in the order of their ids, beginning after `after`.
  std::vector<Model> list(std::string_view tenant, std::string_view after, std::int64_t limit);
  // 404. A training in progress is of no consequence then.
  services::Outcome<void> remove(std::string_view tenant, std::string_view id);

  // 404, or 409 if a training is in progress.
  services::Outcome<void> begin_training(std::string_view tenant, std::string_view id);
  // How the training begun on `id` ended.
  void succeed(std::string_view id, std::int64_t rows, const Fit& fit);
  void fail(std::string_view id, std::string_view error);

 private:
  services::Database& database_;
};

}  // namespace lotagate::training
