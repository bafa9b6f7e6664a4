// One service asking another. Plain HTTP, one connection per call: what is asked often is cached by the caller.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace lotagate::services {

struct ClientResponse {
  int status = 0;
  std::string body;
};

// `origin` is http://HOST:PORT. The error says why no response came. `time` bounds connecting, and each read.
std::expected<ClientResponse, std::string> http_get(const std::string& origin, const std::string& path,
                                                    const std::vector<std::pair<std::string, std::string>>& headers,
                                                    std::chrono::milliseconds time);

}  // namespace lotagate::services
