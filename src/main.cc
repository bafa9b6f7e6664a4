// The command line: run, check, explain, version.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "config/file.h"
#include "config/load.h"
#include "gateway/explain.h"
#include "gateway/gateway.h"

namespace {

using lotagate::Gateway;

constexpr int kRefused = 3;  // exit status of explain

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
  for (const auto& line : warning_lines(*config)) std::cerr << line << '\n';
  std::cout << file << ": ok (" << config->listeners.size() << " listeners, " << config->services.size()
            << " services, " << config->routes.size() << " routes)\n";
  return 0;
}

struct ExplainFlags {
  lotagate::ExplainOptions options;
  std::string token_file;
  std::string api_key_file;
  std::string address;
  bool json = false;
};

// The first line of a file, or of standard input for "-".
bool read_credential(const std::string& file, std::string& credential) {
  if (file.empty()) return true;
  constexpr std::size_t kMaxBytes = 64UL * 1024;
  std::string first_line;
  if (file == "-") {
    std::getline(std::cin, first_line);
  } else if (auto content = lotagate::config::read_file(file, kMaxBytes)) {
    first_line = *std::move(content);
  } else {
    std::cerr << file << ": " << content.error() << '\n';
    return false;
  }
  credential = first_line.substr(0, first_line.find_first_of("\r\n"));
  if (credential.empty()) std::cerr << (file == "-" ? "standard input" : file) << ": the first line is empty\n";
  return !credential.empty();
}

int explain(ExplainFlags& flags) {
  lotagate::ExplainOptions& options = flags.options;
  if (!read_credential(flags.token_file, options.token)) return 1;
  if (!read_credential(flags.api_key_file, options.api_key)) return 1;
  if (options.token == "-" && !read_credential("-", options.token)) return 1;
  if (!flags.address.empty()) {
    options.address = lotagate::parse_ip(flags.address);
    if (!options.address) {
      std::cerr << "--address: not an IP address\n";
      return 1;
    }
  }
  auto explanation = lotagate::explain(options);
  if (!explanation) {
    for (const auto& line : explanation.error()) std::cerr << line << '\n';
    return 1;
  }
  std::cout << (flags.json ? to_json(*explanation) : to_text(*explanation));
  return explanation->allowed() ? 0 : kRefused;
}

void add_explain_flags(CLI::App& command, ExplainFlags& flags) {
  lotagate::ExplainOptions& options = flags.options;
  command.add_option("METHOD", options.method, "such as GET")->required();
  command.add_option("PATH", options.target, "such as /api/v1/models?page=2")->required();
  command.add_option("-c,--config", options.config_file, "configuration file")->required();
  auto* token = command.add_option("--token", options.token, "the bearer token; - reads it from standard input");
  auto* token_file = command.add_option("--token-file", flags.token_file, "a file that holds it");
  auto* key = command.add_option("--api-key", options.api_key, "the API key");
  auto* key_file = command.add_option("--api-key-file", flags.api_key_file, "a file that holds it");
  token->excludes(token_file)->excludes(key)->excludes(key_file);
  token_file->excludes(key)->excludes(key_file);
  key->excludes(key_file);
  command.add_option("--host", options.host, "the request's Host")->capture_default_str();
  command.add_option("-H,--header", options.headers, "a further header field, \"Name: value\"");
  command.add_option("--address", flags.address, "the client's IP address, for limits by address");
  command.add_flag("--from-proxy", options.from_proxy, "it comes from a trusted proxy, whose headers count in limits");
  command.add_flag("--json", flags.json, "print one JSON object");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Lotagate: an API gateway that verifies, authorizes, limits, forwards, logs and measures."};
  app.require_subcommand(1);
  std::string file;
  auto* run_command = app.add_subcommand("run", "start the gateway (SIGHUP reloads, SIGTERM drains)");
  run_command->add_option("-c,--config", file, "configuration file")->required();
  auto* check_command =
      app.add_subcommand("check", "print every mistake of a configuration file, and what is dangerous in it");
  check_command->add_option("-c,--config", file, "configuration file")->required();
  ExplainFlags explain_flags;
  auto* explain_command =
      app.add_subcommand("explain", "say what becomes of a request, and why; exit status 0: allowed, 3: refused");
  add_explain_flags(*explain_command, explain_flags);
  auto* version_command = app.add_subcommand("version", "print the version");
  CLI11_PARSE(app, argc, argv);

  if (*run_command) return run(file);
  if (*check_command) return check(file);
  if (*explain_command) return explain(explain_flags);
  if (*version_command) std::cout << "lotagate " << LG_VERSION << '\n';
  return 0;
}
