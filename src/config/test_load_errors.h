// One good file, and what is said of it after one or several changes.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/test_folder.h"

namespace lotagate::config {

inline constexpr std::string_view kGood = R"(listeners:
  - address: 127.0.0.1:8080
admin: { address: 127.0.0.1:9901 }
workers: auto
timeouts: { header: 10s }
limits: { head: 32KiB }
services:
  users: { endpoints: [ "http://127.0.0.1:7001" ] }
  training: { endpoints: [ "http://127.0.0.1:7002" ] }
authentication:
  clock_skew: 30s
  issuers:
    - issuer: https://issuer.example
      algorithms: [ RS256, ES256 ]
      jwks: { url: "http://127.0.0.1:7001/jwks" }
authorization:
  user_management: { url: "http://127.0.0.1:7001", token_file: service.token }
rate_limits:
  per_user: { key: user, tokens: 100, refill: 50/s }
routes:
  - path: /api/users
    service: users
    require: { GET: users:read, "*": users:write }
    limits: [ per_user ]
  - { path: /login, methods: [ POST ], service: users, public: true }
)";

struct Change {
  std::string_view from;
  std::string_view to;
};

using Messages = std::vector<std::string>;  // "LINE:COLUMN message"

class LoadErrors : public testing::Test {
 protected:
  LoadErrors() {
    folder_.write("service.token", "secret\n");
    folder_.write("keys.json", kTestKeySet);
  }

  Messages errors_of(std::string_view text) {
    Messages out;
    auto config = load_config_text(text, folder_.path("gateway.yaml"));
    if (config) return out;
    for (const ConfigError& error : config.error()) {
      EXPECT_EQ(error.file, folder_.path("gateway.yaml"));
      out.push_back(std::to_string(error.line) + ":" + std::to_string(error.column) + " " + error.message);
    }
    EXPECT_FALSE(out.empty()) << "a failure without a message";
    return out;
  }

  // Of a file that loads.
  Messages warnings_of(std::string_view text) {
    Messages out;
    auto config = load_config_text(text, folder_.path("gateway.yaml"));
    if (!config) {
      ADD_FAILURE() << to_string(config.error()[0]);
      return out;
    }
    for (const Warning& warning : config->warnings) {
      out.push_back(std::to_string(warning.line) + ":" + std::to_string(warning.column) + " " + warning.message);
    }
    return out;
  }

  static std::string good(std::initializer_list<Change> changes) {
    std::string text(kGood);
    for (auto [from, to] : changes) {
      auto at = text.find(from);
      if (at == std::string::npos) {
        ADD_FAILURE() << "not in the good file: " << from;
        continue;
      }
      text.replace(at, from.size(), to);
    }
    return text;
  }

  Messages errors(std::initializer_list<Change> changes) { return errors_of(good(changes)); }
  Messages warnings(std::initializer_list<Change> changes) { return warnings_of(good(changes)); }
  Messages errors(std::string_view from, std::string_view to) { return errors({{from, to}}); }

  TestFolder folder_;
};

}  // namespace lotagate::config
