#include "common/problem.h"

#include "base/error.h"
#include "common/json_writer.h"

namespace lotagate::services {

Response problem_response(const Problem& problem) {
  JsonWriter json;
  json.begin_object()
      .member("type", "urn:lotabots:problem:" + problem.code)
      .member("title", status_title(static_cast<std::uint16_t>(problem.status)))
      .member("status", problem.status)
      .member("detail", problem.detail)
      .member("code", problem.code)
      .end_object();
  Response response{.status = problem.status, .body = json.take(), .content_type = "application/problem+json"};
  auto retry_after = problem.retry_after.count();
  if (retry_after == 0 && problem.status == 503) retry_after = 1;
  if (retry_after > 0) response.headers.emplace_back("Retry-After", std::to_string(retry_after));
  return response;
}

}  // namespace lotagate::services
