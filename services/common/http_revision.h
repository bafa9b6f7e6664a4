// Optimistic concurrency: a resource says its revision as ETag, a change may say with If-Match which one it means
// (RFC 9110 8.8.3, 13.1.1).
#pragma once

#include <cstdint>

#include "common/problem.h"

namespace lotagate::services {

// 412 if the request has an If-Match that does not name `revision`. Without one, every revision will do.
Outcome<void> match_revision(const Request& request, std::int64_t revision);

// The response with `revision` as its ETag.
Response with_revision(Response response, std::int64_t revision);

}  // namespace lotagate::services
