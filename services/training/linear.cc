#include <numeric>

#include "training/matrix.h"

namespace lotagate::training {
namespace {

// Enough to separate features that depend on each other, too little to be seen in a coefficient.
constexpr double kLeastRidge = 1e-10;

void measure(const Dataset& data, double mean, Fit& fit) {
  double squared_error = 0;
  double spread = 0;
  for (std::size_t i = 0; i < data.rows(); ++i) {
    double error = fit.intercept + dot(fit.coefficients, data.row(i)) - data.y[i];
    squared_error += error * error;
    spread += (data.y[i] - mean) * (data.y[i] - mean);
  }
  fit.metrics = {{"mse", squared_error / static_cast<double>(data.rows())},
                 {"r2", spread > 0 ? 1 - squared_error / spread : 0}};
}

}  // namespace

FitResult fit_linear(Dataset data, const FitOptions& options, const std::stop_token& stop) {
  Standardiser standardiser(data);
  if (!standardiser.is_finite()) return std::unexpected(kTooExtreme);
  auto rows = static_cast<double>(data.rows());
  double mean = std::accumulate(data.y.begin(), data.y.end(), 0.0) / rows;

  SymmetricMatrix gram(data.features);
  Fit fit{.intercept = mean, .coefficients = std::vector<double>(data.features), .metrics = {}};
  for (std::size_t i = 0; i < data.rows(); ++i) {
    if (stop.stop_requested()) return std::unexpected("stopped");
    auto row = data.row(i);
    gram.add_outer_product(row, 1 / rows);
    for (std::size_t j = 0; j < data.features; ++j) fit.coefficients[j] += row[j] * (data.y[i] - mean) / rows;
  }
  for (std::size_t j = 0; j < data.features; ++j) gram.at(j, j) += options.ridge + kLeastRidge;
  if (!solve_in_place(gram, fit.coefficients)) return std::unexpected(kTooExtreme);
  measure(data, mean, fit);
  standardiser.restore(fit);
  return fit;
}

}  // namespace lotagate::training
