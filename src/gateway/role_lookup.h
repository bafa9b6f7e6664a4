// Looking up a user's access or an API key in the User Management Service, on the worker whose request asked first.
#pragma once

#include <coroutine>
#include <string_view>

#include "access/role_directory.h"
#include "runtime/event.h"
#include "runtime/reactor.h"

namespace lotagate {

class Worker;
struct WorkerView;

// Starts the look-up of `subject` in the background of `worker`; it always ends, within the configured time-out from
// now, by telling the directory. It does not depend on the request that caused it.
void start_role_lookup(Worker& worker, WorkerView& view, std::string_view subject);
// The same for the API key with `digest`, in the directory of API keys.
void start_api_key_lookup(Worker& worker, WorkerView& view, std::string_view digest);

// Lets a coroutine wait until some worker has completed a look-up. Stays put until notified.
class RoleWaiter final : public access::DirectoryWaiter {
 public:
  explicit RoleWaiter(Reactor& reactor);
  OneShotEvent::Awaiter wait() { return notified_.wait(); }

 private:
  Reactor& reactor_;
  OneShotEvent notified_;
};

}  // namespace lotagate
