// Fitting: plain functions on numbers, without files or threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace lotagate::training {

// Observations: row i has the features x[i * features ...] and the target y[i].
struct Dataset {
  std::size_t features = 0;
  std::vector<double> x;
  std::vector<double> y;

  std::size_t rows() const { return y.size(); }
  std::span<const double> row(std::size_t i) const { return {x.data() + i * features, features}; }
};

struct FitOptions {
  std::int64_t epochs = 100;  // most iterations; a linear fit is solved in one step
  double ridge = 0;           // penalty on the squared coefficients of standardised features
};

struct Fit {
  double intercept = 0;
  std::vector<double> coefficients;
  std::vector<std::pair<std::string, double>> metrics;
};

// The reason why there is no fit, for people.
using FitResult = std::expected<Fit, std::string>;

// Least squares by the normal equations. Metrics: mse, r2 (0 where the target is constant).
FitResult fit_linear(Dataset data, const FitOptions& options, const std::stop_token& stop);

// Maximum likelihood for targets 0 and 1 by damped Newton steps (iteratively reweighted least squares).
// Metrics: log_loss, accuracy, iterations.
FitResult fit_logistic(Dataset data, const FitOptions& options, const std::stop_token& stop);

}  // namespace lotagate::training
