// The little linear algebra that both fits need.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "training/fit.h"

namespace lotagate::training {

// A symmetric matrix of which only the lower triangle is kept up to date.
struct SymmetricMatrix {
  explicit SymmetricMatrix(std::size_t order) : size(order), values(order * order) {}

  double& at(std::size_t row, std::size_t column) { return values[row * size + column]; }

  // Adds weight * v v^T.
  void add_outer_product(std::span<const double> v, double weight);

  std::size_t size;
  std::vector<double> values;
};

// Replaces `b` by the solution of a x = b by Cholesky's factorisation, which overwrites `a`.
// False if `a` is not positive definite, as far as numbers of 53 bits can tell.
bool solve_in_place(SymmetricMatrix& a, std::span<double> b);

// Shifts and scales every feature to mean 0 and variance 1, which keeps the equations well conditioned whatever units
// the client uses, and makes one ridge fit all features. A constant feature becomes 0.
class Standardiser {
 public:
  // Standardises `data.x` in place.
  explicit Standardiser(Dataset& data);

  // False if mean or variance of a feature overflows; there is nothing to fit then.
  bool is_finite() const;

  // From a fit on standardised features to the one for the client's features.
  void restore(Fit& fit) const;

 private:
  std::vector<double> means_;
  std::vector<double> scales_;  // 0: constant
};

// What a fit says when is_finite() or solve_in_place() says no.
inline constexpr const char* kTooExtreme = "the features' numbers are too extreme to compute with";

double dot(std::span<const double> a, std::span<const double> b);

}  // namespace lotagate::training
