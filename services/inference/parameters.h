// The parameters of trained models, fetched from the training service and kept for a moment.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/problem.h"

namespace lotagate::inference {

struct Parameters {
  std::string model;
  std::string kind;  // linear, logistic
  std::int64_t version = 0;
  double intercept = 0;
  std::vector<double> coefficients;
};

// An entry is used as it is for two seconds, then confirmed by its version (ETag) before it is used again: a model
// trained anew is seen two seconds later, and its numbers travel once.
class ParameterCache {
 public:
  // `training` is the origin of the training service, e.g. http://127.0.0.1:7002.
  explicit ParameterCache(std::string training) : training_(std::move(training)) {}

  // The model as the tenant sees it. 404, 409 if it was never trained, 503 if the training service does not answer.
  services::Outcome<std::shared_ptr<const Parameters>> get(std::string_view tenant, std::string_view model);

 private:
  using Key = std::pair<std::string, std::string>;  // tenant, model
  using Clock = std::chrono::steady_clock;

  struct Entry {
    std::shared_ptr<const Parameters> parameters;
    Clock::time_point confirmed_at;
  };

  Entry look_up(const Key& key);
  void store(const Key& key, std::shared_ptr<const Parameters> parameters);

  const std::string training_;
  std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

}  // namespace lotagate::inference
