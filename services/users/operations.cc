#include "users/operations.h"

#include <algorithm>

#include "base/result.h"
#include "common/http_query.h"
#include "users/schema.h"

namespace lotagate::users {

using services::Handler;
using services::Outcome;
using services::Request;
using services::Response;
using services::Transaction;

namespace {

// What could not be an id is not looked up: a database may not even take it for a text.
Outcome<void> names_something(const Request& request) {
  if (std::ranges::all_of(request.captures, services::is_id)) return {};
  return services::refuse(404, "not_found", "There is nothing at this path.");
}

bool is_empty(Transaction& transaction) { return !transaction.query("SELECT 1 FROM accounts LIMIT 1").next(); }

}  // namespace

void audit(const Call& call, const Target& target, std::string_view verb, std::string detail) {
  AuditEntry entry = audit_entry(call.request);
  entry.tenant = target.tenant;
  entry.action = std::string(target.kind) + "." + std::string(verb);
  entry.target_kind = target.kind;
  entry.target_id = target.id;
  entry.detail = std::move(detail);
  append_audit(call.transaction, entry);
}

Outcome<Response> Operations::read(const Request& request, const Step& step) const {
  TRY_VOID(names_something(request));
  return database_.read([&](Transaction& transaction) { return run(transaction, request, step); });
}

Outcome<Response> Operations::change(const Request& request, const Step& step) const {
  TRY_VOID(names_something(request));
  auto outcome = database_.transact([&](Transaction& transaction) { return run(transaction, request, step); });
  if (outcome) changes_.announce();
  return outcome;
}

Outcome<Response> Operations::run(Transaction& transaction, const Request& request, const Step& step) const {
  TRY(caller, authority_of(transaction, request));
  Call call{request, transaction, changes_, caller};
  return step(call);
}

bool Operations::nobody_yet() const {
  return database_.read([](Transaction& transaction) { return is_empty(transaction); });
}

Outcome<Response> Operations::begin(const Step& step) const {
  return database_.transact([&](Transaction& transaction) -> Outcome<Response> {
    if (!is_empty(transaction)) {
      return services::refuse(409, "not_empty", "somebody else has just made the first accounts");
    }
    Authority itself{.subject = {},
                     .tenant = std::string(kFirstTenant),
                     .is_admin = true,
                     .permissions = {"*:*"},
                     .key_permissions = {}};
    Request nobody{.method = {}, .path = {}, .body = {}};
    Call call{nobody, transaction, changes_, itself};
    return step(call);
  });
}

Handler Operations::reading(Step step) const {
  return services::answering([this, step = std::move(step)](const Request& request) { return read(request, step); });
}

Handler Operations::changing(Step step) const {
  return services::answering([this, step = std::move(step)](const Request& request) { return change(request, step); });
}

}  // namespace lotagate::users
