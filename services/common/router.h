// Which handler answers which method and path.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http.h"

namespace lotagate::services {

class Router {
 public:
  // `pattern` is a path whose `{}` segments match any one segment; the first pattern added wins.
  void add(std::string_view method, std::string_view pattern, Handler handler);

  // `check` comes before everything, also before saying that a path does not exist; what it refuses is answered so.
  void guard(std::function<std::optional<Response>(const Request&)> check) { guard_ = std::move(check); }

  // "GET /path/{}" of every route, in the order of adding.
  std::vector<std::string> routes() const;

  // Calls the handler with its captures; otherwise the response is 404, or 405 with Allow.
  Response answer(Request& request) const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    Handler handler;
  };

  std::function<std::optional<Response>(const Request&)> guard_;
  std::vector<Route> routes_;
};

}  // namespace lotagate::services
