// The thread that trains models, one after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "training/fit.h"
#include "training/models.h"

namespace lotagate::training {

struct TrainingJob {
  std::string tenant;
  std::string model;
  std::string kind;
  Dataset data;
  FitOptions options;
};

class Trainer {
 public:
  // Destroying it breaks off what is not finished; the next process finds such models failed.
  explicit Trainer(ModelStore& models);

  // Marks the model as training and queues the job. 404, 409 if it is training, 503 if too many jobs wait.
  services::Outcome<void> submit(TrainingJob job);

 private:
  void run(const std::stop_token& stop);
  void train(TrainingJob job, const std::stop_token& stop);

  ModelStore& models_;
  std::mutex mutex_;
  std::condition_variable_any queued_;
  std::deque<TrainingJob> jobs_;
  std::jthread thread_;  // last: it must end before what it uses
};

}  // namespace lotagate::training
