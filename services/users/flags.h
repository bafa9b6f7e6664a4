// The command line of lotagate-users.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/main.h"
#include "users/key_store.h"
#include "users/logins.h"

namespace lotagate::users {

struct Flags {
  services::CommonFlags common;
  std::string internal_listen = "127.0.0.1:0";
  std::string data;
  std::string database;
  std::string database_file;
  std::string issuer;
  std::string audience;
  std::string service_token_file;
  std::string master_key_file;
  std::string signing_algorithm = "RS256";
  std::chrono::milliseconds token_ttl = std::chrono::minutes(15);
  std::chrono::milliseconds session_idle = std::chrono::days(30);
  std::chrono::milliseconds session_life = std::chrono::days(90);
  std::chrono::milliseconds key_rotation = std::chrono::days(30);
  std::chrono::milliseconds key_grace = std::chrono::minutes(1);
  bool seed = false;
  bool routes = false;  // print what is served, and end

  // What follows from them. Each throws StartupError for flags that do not fit together.
  services::ServerOptions server_options() const;
  std::string database_location() const;
  std::string master_key_path() const;
  KeyStore::Options key_options() const;
  SessionTimes session_times() const;
};

void add_flags(CLI::App& app, Flags& flags);

}  // namespace lotagate::users
