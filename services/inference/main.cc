// lotagate-inference: predictions from the models that the training service keeps.
#include <CLI/CLI.hpp>

#include "common/files.h"
#include "common/main.h"
#include "common/startup_error.h"
#include "inference/routes.h"

namespace {

using namespace lotagate;

void run(const services::CommonFlags& flags, const std::string& data, const std::string& training) {
  if (!training.starts_with("http://"))
    throw services::StartupError("--training: " + training + " is not http://HOST:PORT");
  services::Server server(flags.server_options());
  if (!data.empty()) services::prepare_data_directory(data);
  inference::ParameterCache parameters(training);
  inference::add_inference_routes(server.router(), parameters, server.stop_signal());
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The inference service of the reference platform.", "lotagate-inference");
  services::CommonFlags flags;
  std::string data;
  std::string training;
  services::add_common_flags(app, flags);
  app.add_option("--training", training, "http://HOST:PORT of the training service")->required();
  app.add_option("--data", data, "As for the other services; nothing is kept there");
  return services::service_main(app, argc, argv, [&] { run(flags, data, training); });
}
