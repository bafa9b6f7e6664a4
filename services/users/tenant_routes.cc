#include "common/http_query.h"
#include "common/http_revision.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/inputs.h"
#include "users/pages.h"
#include "users/routes.h"
#include "users/tenants.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

constexpr std::size_t kMaxNameBytes = 100;

void write_tenant(JsonWriter& json, const Tenant& tenant) {
  json.begin_object()
      .member("id", tenant.id)
      .member("name", tenant.name)
      .member("plan", tenant.plan)
      .member("state", tenant.state)
      .member("created_at", tenant.created_at)
      .end_object();
}

Response tenant_response(int status, const Tenant& tenant) {
  JsonWriter json;
  write_tenant(json, tenant);
  return services::with_revision(services::json_response(status, json.take()), tenant.revision);
}

// What a body says about a tenant.
Outcome<TenantChange> read_members(const JsonBody& body) {
  TenantChange change;
  TRY(name, read_label(body, "name", kMaxNameBytes));
  change.name = std::move(name);
  TRY(plan, read_choice(body, "plan", {"free", "pro", "enterprise"}));
  change.plan = std::move(plan);
  TRY(state, read_choice(body, "state", {"active", "suspended"}));
  change.state = std::move(state);
  return change;
}

// A filter that names no plan and no state finds nothing.
Outcome<std::string_view> word_parameter(const Request& request, std::string_view name) {
  auto text = request.parameter(name).value_or("");
  if (text.empty() || services::is_id(text)) return text;
  return refuse(400, "invalid_parameter", fmt::format("`{}` is not the name of anything.", name));
}

Outcome<Response> show_tenants(Call& call) {
  TRY_VOID(require_admin(call.caller));
  TRY_VOID(services::only_parameters(call.request, {"limit", "after", "plan", "state"}));
  TRY(page, services::page_of(call.request));
  TRY(plan, word_parameter(call.request, "plan"));
  TRY(state, word_parameter(call.request, "state"));
  return page_response("tenants", list_tenants(call.transaction, plan, state, page.after, page.limit + 1), page,
                       write_tenant);
}

Outcome<Response> show_tenant(Call& call) {
  TRY_VOID(require_admin(call.caller));
  auto tenant = find_tenant(call.transaction, call.request.captures[0]);
  if (!tenant) return refuse(404, "unknown_tenant", "There is no such tenant.");
  return tenant_response(200, *tenant);
}

Outcome<Tenant> read_wanted(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"id", "name", "plan", "state"}));
  TRY(wanted_id, body.required<std::string_view>("id"));
  TRY(id, tenant_id(wanted_id));
  TRY(wanted, read_members(body));
  if (!wanted.plan) return refuse(400, "missing_member", "`plan` is missing; it must be a string.");
  return Tenant{
      .id = id, .name = wanted.name.value_or(id), .plan = *wanted.plan, .state = wanted.state.value_or("active")};
}

Outcome<Response> create(Call& call, const Tenant& wanted) {
  TRY(tenant, create_tenant(call, wanted));
  Response response = tenant_response(201, tenant);
  response.headers.emplace_back("Location", "/api/v1/tenants/" + tenant.id);
  return response;
}

Outcome<TenantChange> read_change(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"name", "plan", "state"}));
  TRY(change, read_members(body));
  if (!change.name && !change.plan && !change.state) {
    return refuse(400, "nothing_to_change", "Give `name`, `plan` or `state`.");
  }
  return change;
}

Outcome<Response> update(Call& call, const TenantChange& change) {
  TRY(tenant, change_tenant(call, call.request.captures[0], change));
  return tenant_response(200, tenant);
}

Outcome<Response> remove(Call& call) {
  TRY_VOID(remove_tenant(call, call.request.captures[0]));
  return services::json_response(204, {});
}

}  // namespace

void add_tenant_routes(services::Router& router, const Operations& operations) {
  router.add("GET", "/api/v1/tenants", operations.reading(show_tenants));
  router.add("POST", "/api/v1/tenants", operations.changing(read_wanted, create));
  router.add("GET", "/api/v1/tenants/{}", operations.reading(show_tenant));
  router.add("PATCH", "/api/v1/tenants/{}", operations.changing(read_change, update));
  router.add("DELETE", "/api/v1/tenants/{}", operations.changing(remove));
}

}  // namespace lotagate::users
