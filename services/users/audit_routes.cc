#include "common/http_query.h"
#include "common/json_writer.h"
#include "users/pages.h"
#include "users/routes.h"

#include <fmt/format.h>

#include "base/result.h"

namespace lotagate::users {
namespace {

using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

void write_entry(JsonWriter& json, const StoredAuditEntry& entry) {
  json.begin_object().member("id", entry.id).member("time", entry.time).member("actor", entry.actor);
  if (!entry.actor_key.empty()) json.member("actor_key", entry.actor_key);
  json.member("tenant", entry.tenant)
      .member("action", entry.action)
      .member("target_kind", entry.target_kind)
      .member("target_id", entry.target_id);
  json.key("detail").raw(entry.detail);
  json.member("request_id", entry.request_id).member("client", entry.client).end_object();
}

Outcome<AuditFilter> filter_of(const Request& request) {
  TRY_VOID(
      services::only_parameters(request, {"limit", "after", "tenant", "actor", "action", "target", "since", "until"}));
  AuditFilter filter;
  for (auto [name, member] : {std::pair("tenant", &filter.tenant),
                              {"actor", &filter.actor},
                              {"action", &filter.action},
                              {"target", &filter.target}}) {
    auto text = request.parameter(name);
    if (text && !services::is_id(*text)) {
      return refuse(400, "invalid_parameter", fmt::format("`{}` is not the name of anything.", name));
    }
    if (text) *member = *text;
  }
  TRY(since, services::number_parameter(request, "since"));
  filter.since = since.value_or(filter.since);
  TRY(until, services::number_parameter(request, "until"));
  filter.until = until.value_or(filter.until);
  return filter;
}

// Entries of a tenant are for those of it; entries of none, such as failed logins of nobody, for admins.
Outcome<Response> show_entries(Call& call) {
  TRY_VOID(require(call.caller, "audit:read"));
  TRY(filter, filter_of(call.request));
  TRY(page, services::page_of(call.request));
  return page_response("entries", list_audit(call.transaction, call.caller, filter, page.after, page.limit + 1), page,
                       write_entry);
}

Outcome<Response> show_entry(Call& call) {
  TRY_VOID(require(call.caller, "audit:read"));
  auto entry = find_audit(call.transaction, call.request.captures[0], call.caller);
  if (!entry) return refuse(404, "unknown_entry", "There is no such entry.");
  JsonWriter json;
  write_entry(json, *entry);
  return services::json_response(200, json.take());
}

}  // namespace

void add_audit_routes(services::Router& router, const Operations& operations) {
  router.add("GET", "/api/v1/audit", operations.reading(show_entries));
  router.add("GET", "/api/v1/audit/{}", operations.reading(show_entry));
}

}  // namespace lotagate::users
