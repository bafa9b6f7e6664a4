// lotagate-training: models are registered, trained in the background on rows that clients send, and read.
#include <CLI/CLI.hpp>

#include "common/files.h"
#include "common/main.h"
#include "training/routes.h"
#include "training/schema.h"

namespace {

using namespace lotagate;

void run(const services::CommonFlags& flags, const std::string& data) {
  services::Server server(flags.server_options());
  services::prepare_data_directory(data);
  services::Database database({.location = data + "/training.db"}, training::kMigrations);
  training::ModelStore models(database);
  training::Trainer trainer(models);
  training::add_model_routes(server.router(), models, trainer);
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The training service of the reference platform.", "lotagate-training");
  services::CommonFlags flags;
  std::string data;
  services::add_common_flags(app, flags);
  app.add_option("--data", data, "Directory for the database")->required();
  return services::service_main(app, argc, argv, [&] { run(flags, data); });
}
