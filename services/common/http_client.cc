#include "common/http_client.h"

#include <httplib.h>

namespace lotagate::services {

std::expected<ClientResponse, std::string> http_get(const std::string& origin, const std::string& path,
                                                    const std::vector<std::pair<std::string, std::string>>& headers,
                                                    std::chrono::milliseconds time) {
  httplib::Client client(origin);
  if (!client.is_valid()) return std::unexpected("not an http:// origin: " + origin);
  client.set_connection_timeout(time);
  client.set_read_timeout(time);
  client.set_write_timeout(time);
  auto result = client.Get(path, httplib::Headers(headers.begin(), headers.end()));
  if (!result) return std::unexpected(httplib::to_string(result.error()));
  return ClientResponse{result->status, std::move(result->body)};
}

}  // namespace lotagate::services
