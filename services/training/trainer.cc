#include "training/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/result.h"
#include "common/log.h"

namespace lotagate::training {
namespace {

// A job holds as many numbers as a request's body, 10 MiB of text, can tell: together some 500 MiB at the very most.
constexpr std::size_t kMaxJobs = 8;

bool is_finite(const Fit& fit) {
  auto finite = [](double number) { return std::isfinite(number); };
  return finite(fit.intercept) && std::ranges::all_of(fit.coefficients, finite) &&
         std::ranges::all_of(fit.metrics, [&](const auto& metric) { return finite(metric.second); });
}

}  // namespace

Trainer::Trainer(ModelStore& models) : models_(models), thread_([this](const std::stop_token& stop) { run(stop); }) {}

services::Outcome<void> Trainer::submit(TrainingJob job) {
  std::unique_lock lock(mutex_);
  if (jobs_.size() >= kMaxJobs) return services::refuse(503, "busy", "Too many trainings are waiting.");
  TRY_VOID(models_.begin_training(job.tenant, job.model));
  jobs_.push_back(std::move(job));
  lock.unlock();
  queued_.notify_one();
  return {};
}

void Trainer::run(const std::stop_token& stop) {
  while (true) {
    std::unique_lock lock(mutex_);
    if (!queued_.wait(lock, stop, [this] { return !jobs_.empty(); }) || stop.stop_requested()) return;
    TrainingJob job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    train(std::move(job), stop);
  }
}

void Trainer::train(TrainingJob job, const std::stop_token& stop) {
  auto rows = static_cast<std::int64_t>(job.data.rows());
  auto fit = job.kind == "linear" ? fit_linear : fit_logistic;
  try {
    FitResult result = fit(std::move(job.data), job.options, stop);
    if (stop.stop_requested()) return;
    if (result && !is_finite(*result)) result = std::unexpected("the numbers are too large");
    if (result) {
      models_.succeed(job.model, rows, *result);
    } else {
      models_.fail(job.model, result.error());
    }
  } catch (const std::exception& error) {
    // The database or memory; the model stays in training until the next start says that it failed.
    services::log_line(fmt::format("training of {} broken off: {}", job.model, error.what()));
  }
}

}  // namespace lotagate::training
