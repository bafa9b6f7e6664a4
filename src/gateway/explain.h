// Why a request would be let through or refused: the same steps on the same configuration as in the running gateway,
// with what was found on the way. For people and scripts; it blocks.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "gateway/explain_limits.h"

namespace lotagate {

struct ExplainOptions {
  std::string config_file;
  std::string method;
  std::string target;  // path and query
  std::string host = "localhost";
  std::vector<std::string> headers{};  // "Name: value"; credentials among them count as those below do
  std::string token{};                 // at most one of both
  std::string api_key{};
  std::optional<IpAddress> address{};  // of the client
  bool from_proxy = false;             // it comes from one of the listener's trusted proxies
};

struct Explanation {
  std::string method;
  std::string path;  // canonical; empty if there is none
  // The route; empty without one.
  std::string route{};
  std::string service{};
  bool is_public = false;
  bool report_only = false;
  std::vector<std::string> needs{};        // what the route's rule for the method asks for, in words
  std::vector<ExplainedLimit> limits{};    // of the route
  std::vector<std::string> concurrency{};  // limits of the route, in the order in which a request takes places
  // The caller; empty where nothing is known.
  std::string credential{};
  std::string subject{};
  std::string issuer{};
  std::string key_id{};
  std::string tenant{};
  std::string plan{};
  std::vector<std::string> roles{};
  std::vector<std::string> permissions{};
  std::vector<std::string> scopes{};
  std::vector<std::string> key_permissions{};
  // The decision.
  std::optional<Error> refusal{};    // the client would get this
  std::string would_deny{};          // the reason that `report_only` overrides
  std::vector<std::string> notes{};  // what else was met: key sets that could not be fetched
  bool allowed() const { return !refusal.has_value(); }
};

// Fetches key sets and asks the User Management Service as the gateway would; what cannot be had ends in the refusal
// the gateway would answer. Error: lines for the operator, when the configuration cannot be loaded.
std::expected<Explanation, std::vector<std::string>> explain(const ExplainOptions& options);

std::string to_text(const Explanation& explanation);
// One object, with a line end.
std::string to_json(const Explanation& explanation);

}  // namespace lotagate
