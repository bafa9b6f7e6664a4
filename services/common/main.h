// What the three main functions share: flags, and how a failed start looks.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/server.h"

namespace CLI {
class App;
}

namespace lotagate::services {

struct CommonFlags {
  std::string listen = "127.0.0.1:0";
  bool verbose = false;

  // Throws StartupError for a bad address.
  ServerOptions server_options() const;
};

// Throws StartupError for what is not ADDRESS:PORT, naming the flag.
SocketAddress read_address(std::string_view flag, const std::string& text);

void add_common_flags(CLI::App& app, CommonFlags& flags);

// Parses the command line and calls `run`. Exit status 0, or 1 with one line on stderr for a bad flag, a StartupError
// or any other exception.
int service_main(CLI::App& app, int argc, char** argv, const std::function<void()>& run);

}  // namespace lotagate::services
