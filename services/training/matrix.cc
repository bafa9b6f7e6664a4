#include "training/matrix.h"

#include <algorithm>
#include <cmath>

namespace lotagate::training {

void SymmetricMatrix::add_outer_product(std::span<const double> v, double weight) {
  for (std::size_t i = 0; i < size; ++i) {
    double scaled = weight * v[i];
    double* row = values.data() + i * size;
    for (std::size_t j = 0; j <= i; ++j) row[j] += scaled * v[j];
  }
}

bool solve_in_place(SymmetricMatrix& a, std::span<double> b) {
  for (std::size_t j = 0; j < a.size; ++j) {
    for (std::size_t k = 0; k < j; ++k) a.at(j, j) -= a.at(j, k) * a.at(j, k);
    if (!(a.at(j, j) > 0)) return false;  // also NaN
    a.at(j, j) = std::sqrt(a.at(j, j));
    for (std::size_t i = j + 1; i < a.size; ++i) {
      for (std::size_t k = 0; k < j; ++k) a.at(i, j) -= a.at(i, k) * a.at(j, k);
      a.at(i, j) /= a.at(j, j);
    }
  }
  for (std::size_t i = 0; i < a.size; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a.at(i, k) * b[k];
    b[i] /= a.at(i, i);
  }
  for (std::size_t i = a.size; i-- > 0;) {
    for (std::size_t k = i + 1; k < a.size; ++k) b[i] -= a.at(k, i) * b[k];
    b[i] /= a.at(i, i);
  }
  return true;
}

Standardiser::Standardiser(Dataset& data) : means_(data.features), scales_(data.features) {
  auto rows = static_cast<double>(data.rows());
  for (std::size_t i = 0; i < data.rows(); ++i) {
    for (std::size_t j = 0; j < data.features; ++j) means_[j] += data.row(i)[j] / rows;
  }
  for (std::size_t i = 0; i < data.rows(); ++i) {
    for (std::size_t j = 0; j < data.features; ++j) {
      double distance = data.row(i)[j] - means_[j];
      scales_[j] += distance * distance / rows;
    }
  }
  // A spread that rounding alone explains is none.
  constexpr double kRounding = 1e-12;
  for (std::size_t j = 0; j < data.features; ++j) {
    double scale = std::sqrt(scales_[j]);
    scales_[j] = scale > kRounding * std::abs(means_[j]) ? scale : 0;
  }
  for (std::size_t i = 0; i < data.rows(); ++i) {
    for (std::size_t j = 0; j < data.features; ++j) {
      double& value = data.x[i * data.features + j];
      value = scales_[j] > 0 ? (value - means_[j]) / scales_[j] : 0;
    }
  }
}

bool Standardiser::is_finite() const {
  auto finite = [](double number) { return std::isfinite(number); };
  return std::ranges::all_of(means_, finite) && std::ranges::all_of(scales_, finite);
}

void Standardiser::restore(Fit& fit) const {
  for (std::size_t j = 0; j < means_.size(); ++j) {
    fit.coefficients[j] = scales_[j] > 0 ? fit.coefficients[j] / scales_[j] : 0;
    fit.intercept -= fit.coefficients[j] * means_[j];
  }
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace lotagate::training
