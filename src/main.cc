// The command line: run, check, version.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "config/load.h"
#include "gateway/gateway.h"

namespace {

using lotagate::Gateway;

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
constexpr timespec kHouseKeeping{.tv_sec = 30, .tv_nsec = 0};  // how often host names are resolved again
constexpr timespec kDrainPoll{.tv_sec = 0, .tv_nsec = 20'000'000};

// Signals are taken by the main thread alone, synchronously; every thread started later inherits the mask.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kSignals) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

void log_to_stderr() {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("lotagate"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
}

// Serves signals until the drain has ended. A second SIGTERM or SIGINT cuts what still runs.
void control(Gateway& gateway, const sigset_t& signals) {
  bool draining = false;
  while (!gateway.finished()) {
    int signal = sigtimedwait(&signals, nullptr, draining ? &kDrainPoll : &kHouseKeeping);
    switch (signal) {
      case SIGHUP: gateway.reload(); break;
      case SIGUSR1: gateway.reopen_log(); break;
      case SIGTERM:
      case SIGINT:
        spdlog::info(draining ? "stopping now" : "draining");
        gateway.drain(draining ? lotagate::nanoseconds(0) : gateway.drain_limit());
        draining = true;
        break;
      default:
        if (!draining) gateway.refresh_addresses();
    }
  }
}

int run(const std::string& file) {
  sigset_t signals = block_signals();
  log_to_stderr();
  Gateway gateway(file, LG_VERSION);
  auto started = gateway.start();
  if (!started) {
    for (const auto& line : started.error()) std::cerr << line << '\n';
    return 1;
  }
  control(gateway, signals);
  gateway.wait();
  spdlog::info("stopped");
  return 0;
}

int check(const std::string& file) {
  auto config = lotagate::config::load_config(file);
  if (!config) {
    for (const auto& error : config.error()) std::cerr << to_string(error) << '\n';
    return 1;
  }
  std::cout << file << ": ok (" << config->listeners.size() << " listeners, " << config->services.size()
            << " services, " << config->routes.size() << " routes)\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Lotagate: an API gateway that verifies, authorizes, limits, forwards, logs and measures."};
  app.require_subcommand(1);
  std::string file;
  auto* run_command = app.add_subcommand("run", "start the gateway (SIGHUP reloads, SIGTERM drains)");
  run_command->add_option("-c,--config", file, "configuration file")->required();
  auto* check_command = app.add_subcommand("check", "print every mistake of a configuration file");
  check_command->add_option("-c,--config", file, "configuration file")->required();
  auto* version_command = app.add_subcommand("version", "print the version");
  CLI11_PARSE(app, argc, argv);

  if (*run_command) return run(file);
  if (*check_command) return check(file);
  if (*version_command) std::cout << "lotagate " << LG_VERSION << '\n';
  return 0;
}
