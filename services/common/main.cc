#include "common/main.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "common/log.h"
#include "common/startup_error.h"

namespace lotagate::services {

SocketAddress read_address(std::string_view flag, const std::string& text) {
  auto address = parse_socket_address(text);
  if (!address) throw StartupError(fmt::format("{}: {} is not ADDRESS:PORT", flag, text));
  return *address;
}

ServerOptions CommonFlags::server_options() const {
  return {.listen = read_address("--listen", listen), .verbose = verbose};
}

void add_common_flags(CLI::App& app, CommonFlags& flags) {
  app.add_option("--listen", flags.listen, "ADDRESS:PORT; port 0 takes a free one and prints it")
      ->capture_default_str();
  app.add_flag("--verbose", flags.verbose, "Write a line per request to stderr");
}

int service_main(CLI::App& app, int argc, char** argv, const std::function<void()>& run) {
  ::umask(0077);  // databases hold password hashes and tenants' data
  try {
    app.parse(argc, argv);
    run();
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    log_line(fmt::format("{}: {}", app.get_name(), error.what()));
    return 1;
  }
}

}  // namespace lotagate::services
