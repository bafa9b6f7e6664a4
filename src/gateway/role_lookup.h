// Looking up a user's access or an API key in the User Management Service, on the worker whose request asked first.
#pragma once

#include <string_view>

namespace lotagate {

class Worker;
struct WorkerView;

// Starts the look-up of `subject` in the background of `worker`; it always ends, within the configured time-out from
// now, by telling the directory. It does not depend on the request that caused it.
void start_role_lookup(Worker& worker, WorkerView& view, std::string_view subject);
// The same for the API key with `digest`, in the directory of API keys.
void start_api_key_lookup(Worker& worker, WorkerView& view, std::string_view digest);

}  // namespace lotagate
