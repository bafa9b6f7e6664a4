// A redis-server of a test's own: on a free port of 127.0.0.1, with nothing on disk, ended by its pid.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "limit/redis_connection.h"

namespace lotagate::limit::testing {

// Until `condition` holds; false after a minute, which only a test that fails waits for.
template <typename Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// Below the ports that the kernel hands out, and such that the cluster's bus port (10000 above) is, too. Random: tests
// run side by side.
inline std::uint16_t likely_port() {
  std::random_device device;
  return static_cast<std::uint16_t>(12000 + device() % 10000);
}

inline bool is_free(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return bound;
}

inline std::uint16_t free_port() {
  std::uint16_t port = likely_port();
  while (!is_free(port) || !is_free(static_cast<std::uint16_t>(port + 10000))) port = likely_port();
  return port;
}

class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> options = {}, StoreSettings access = {})
      : port_(free_port()), options_(std::move(options)), access_(std::move(access)) {
    char name[] = "/tmp/lg_redis_XXXXXX";
    LG_CHECK(mkdtemp(name) != nullptr, "no directory for redis-server");
    directory_ = name;
    access_.timeout = milliseconds(5000);
    // Another test may have been faster.
    for (int tries = 0; !try_start(); ++tries) {
      LG_CHECK(tries < 20, "redis-server does not start");
      port_ = free_port();
    }
  }
  ~RedisServer() {
    end(SIGKILL);
    std::filesystem::remove_all(directory_);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  // On the same port as before.
  void start() { LG_CHECK(try_start(), "redis-server did not start (scripts/packages lists it)"); }
  void end(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    kill(pid_, SIGCONT);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void suspend() { kill(pid_, SIGSTOP); }
  void resume() { kill(pid_, SIGCONT); }

  std::uint16_t port() const { return port_; }
  StoreAddress address() const { return {.host = "127.0.0.1", .port = port_}; }

  // One command on a connection of its own; "error: ..." for an error, numbers as text.
  std::string command(std::vector<std::string> words) {
    auto connection = RedisConnection::connect(address(), access_);
    if (!connection) return "error: " + connection.error();
    const std::vector<std::string_view> arguments(words.begin(), words.end());
    const RedisReply reply = (*connection)->command(arguments);
    if (!reply) return "error: " + (*connection)->error();
    if (reply.is_error()) return "error: " + std::string(reply.text());
    if (reply.size() > 0) return std::string(reply.at(0).text());
    return reply.text().empty() ? std::to_string(reply.integer()) : std::string(reply.text());
  }

 private:
  bool try_start() {
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "no",
                                   "--dir",
                                   directory_,
                                   "--logfile",
                                   directory_ + "/log",
                                   "--enable-debug-command",
                                   "yes"};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    LG_CHECK(pid_ >= 0, "fork");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    bool ended = false;
    const bool answered = eventually([&] {
      ended = waitpid(pid_, nullptr, WNOHANG) == pid_;
      return ended ||
             command({"INFO", "server"}).find("process_id:" + std::to_string(pid_) + "\r") != std::string::npos;
    });
    LG_CHECK(answered, "redis-server does not answer");
    LG_CHECK(!ended || is_installed(), "redis-server is not installed (scripts/packages lists it)");
    if (ended) pid_ = 0;
    return !ended;
  }
  static bool is_installed() { return std::filesystem::exists("/usr/bin/redis-server"); }

  std::uint16_t port_;
  const std::vector<std::string> options_;
  StoreSettings access_;
  std::string directory_;
  pid_t pid_ = 0;
};

}  // namespace lotagate::limit::testing
