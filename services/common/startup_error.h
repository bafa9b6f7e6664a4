// Why a service cannot start. Start-up and broken storage are the two places where services throw.
#pragma once

#include <stdexcept>

namespace lotagate::services {

// The message is one line for the person who starts the service; the process prints it and exits 1.
struct StartupError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace lotagate::services
