// One request and its response as the services' handlers see them. No server behind them: server.cc adapts one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lotagate::services {

// Views into the connection's copy of the request; valid until the handler returns.
struct Request {
  std::string_view method;
  std::string_view path;  // percent-decoded, without the query
  std::string_view body;
  std::vector<std::string_view> captures = {};  // what the route's `{}` segments matched, in their order
  std::vector<std::pair<std::string_view, std::string_view>> headers = {};
  std::vector<std::pair<std::string_view, std::string_view>> query = {};  // decoded
  std::string_view peer = {};                                             // the address that the connection comes from

  // The first field of this name (any case), or empty.
  std::string_view header(std::string_view name) const;
  std::optional<std::string_view> parameter(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  // A streamed body, in place of `body`: called for part after part, each sent at once, until it returns nothing.
  std::function<std::optional<std::string>()> next_part = {};
};

using Handler = std::function<Response(const Request&)>;

Response json_response(int status, std::string body);

}  // namespace lotagate::services
