#include "users/housekeeping.h"

#include <fmt/format.h>

#include "common/log.h"
#include "users/login_guard.h"
#include "users/sessions.h"

namespace lotagate::users {
namespace {

constexpr std::chrono::minutes kPause(1);

}  // namespace

Housekeeping::Housekeeping(services::Database& database) : database_(database), thread_([this] { run(); }) {}

Housekeeping::~Housekeeping() {
  stop_.raise();
  thread_.join();
}

void Housekeeping::run() {
  do {
    try {
      database_.transact_rows([](services::Transaction& transaction) {
        tidy_sessions(transaction);
        LoginGuard::tidy(transaction);
      });
    } catch (const services::DatabaseUnavailable&) {
      // The next minute will do.
    } catch (const std::exception& error) {
      services::log_line(fmt::format("housekeeping: {}", error.what()));
    }
  } while (!stop_.wait_for(kPause));
}

}  // namespace lotagate::users
