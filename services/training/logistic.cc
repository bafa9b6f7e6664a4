#include <algorithm>
#include <cmath>

#include "training/matrix.h"

namespace lotagate::training {
namespace {

// Without a penalty, the likelihood of separable classes grows forever with the coefficients.
constexpr double kLeastRidge = 1e-6;
constexpr double kSmallestStep = 1e-9;
constexpr int kMaxHalvings = 40;

// log(1 + exp(z)) without overflow.
double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

double sigmoid(double z) { return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z)); }

// One problem on standardised features. A parameter vector is the intercept, then the coefficients.
class Problem {
 public:
  Problem(const Dataset& data, double ridge, const std::stop_token& stop) : data_(data), ridge_(ridge), stop_(stop) {}

  std::size_t parameters() const { return data_.features + 1; }

  double log_loss(std::span<const double> at) const {
    double sum = 0;
    for (std::size_t i = 0; i < data_.rows(); ++i) {
      double z = score(at, i);
      sum += softplus(z) - data_.y[i] * z;
    }
    return sum / static_cast<double>(data_.rows());
  }

  // What is minimised.
  double objective(std::span<const double> at) const {
    auto coefficients = at.subspan(1);
    return log_loss(at) + ridge_ / 2 * dot(coefficients, coefficients);
  }

  // Newton's step from `at`; empty if it cannot be computed or the stop came.
  std::vector<double> newton_step(std::span<const double> at) const {
    SymmetricMatrix hessian(parameters());
    std::vector<double> step(parameters());
    std::vector<double> row(parameters(), 1.0);
    auto rows = static_cast<double>(data_.rows());
    for (std::size_t i = 0; i < data_.rows(); ++i) {
      if (stop_.stop_requested()) return {};
      std::ranges::copy(data_.row(i), row.begin() + 1);
      double probability = sigmoid(score(at, i));
      hessian.add_outer_product(row, probability * (1 - probability) / rows);
      for (std::size_t j = 0; j < row.size(); ++j) step[j] += row[j] * (data_.y[i] - probability) / rows;
    }
    // The intercept is not penalised, but far out its curvature vanishes.
    hessian.at(0, 0) += kLeastRidge;
    for (std::size_t j = 1; j < parameters(); ++j) {
      hessian.at(j, j) += ridge_;
      step[j] -= ridge_ * at[j];
    }
    if (!solve_in_place(hessian, step)) return {};
    return step;
  }

  double accuracy(std::span<const double> at) const {
    std::size_t right = 0;
    for (std::size_t i = 0; i < data_.rows(); ++i) right += (score(at, i) >= 0) == (data_.y[i] == 1);
    return static_cast<double>(right) / static_cast<double>(data_.rows());
  }

 private:
  double score(std::span<const double> at, std::size_t row) const { return at[0] + dot(data_.row(row), at.subspan(1)); }

  const Dataset& data_;
  const double ridge_;
  const std::stop_token& stop_;
};

// Moves `at` along `step`, halved until the objective falls; false if it never does: the minimum is reached.
bool descend(const Problem& problem, std::vector<double>& at, std::span<const double> step) {
  double before = problem.objective(at);
  double length = 1;
  std::vector<double> next(at.size());
  for (int i = 0; i < kMaxHalvings; ++i, length /= 2) {
    for (std::size_t j = 0; j < at.size(); ++j) next[j] = at[j] + length * step[j];
    if (problem.objective(next) < before) {
      at = next;
      return true;
    }
  }
  return false;
}

}  // namespace

FitResult fit_logistic(Dataset data, const FitOptions& options, const std::stop_token& stop) {
  Standardiser standardiser(data);
  if (!standardiser.is_finite()) return std::unexpected(kTooExtreme);
  Problem problem(data, options.ridge + kLeastRidge, stop);
  std::vector<double> at(problem.parameters());
  std::int64_t iterations = 0;
  while (iterations < options.epochs) {
    auto step = problem.newton_step(at);
    if (stop.stop_requested()) return std::unexpected("stopped");
    if (step.empty()) return std::unexpected(kTooExtreme);
    ++iterations;
    double longest = std::abs(*std::ranges::max_element(step, {}, [](double x) { return std::abs(x); }));
    if (!descend(problem, at, step) || longest < kSmallestStep) break;
  }
  Fit fit{.intercept = at[0], .coefficients = {at.begin() + 1, at.end()}, .metrics = {}};
  fit.metrics = {{"log_loss", problem.log_loss(at)},
                 {"accuracy", problem.accuracy(at)},
                 {"iterations", static_cast<double>(iterations)}};
  standardiser.restore(fit);
  return fit;
}

}  // namespace lotagate::training
