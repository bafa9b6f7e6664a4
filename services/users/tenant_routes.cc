#include <algorithm>
#include <array>

#include "common/identity.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/routes.h"
#include "users/schema.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

constexpr std::size_t kMaxTenantIdBytes = 64;
constexpr std::array<std::string_view, 3> kPlans{"free", "pro", "enterprise"};
constexpr std::array<std::string_view, 2> kStates{"active", "suspended"};

// Tenants are above every one of them, so a permission within a tenant is not enough.
Outcome<void> admins_only(const Request& request) {
  if (services::caller_of(request).has_role(kAdminRole)) return {};
  return refuse(403, "admins_only", "Only an admin may see and change tenants.");
}

void write_tenant(JsonWriter& json, const Tenant& tenant) {
  json.begin_object().member("id", tenant.id).member("plan", tenant.plan).member("state", tenant.state).end_object();
}

Outcome<Response> list_tenants(const Request& request, AccessDirectory& directory) {
  TRY_VOID(admins_only(request));
  JsonWriter json;
  json.begin_object().key("tenants").begin_array();
  for (const Tenant& tenant : directory.tenants()) write_tenant(json, tenant);
  json.end_array().end_object();
  return services::json_response(200, json.take());
}

Outcome<Response> put_tenant(const Request& request, AccessDirectory& directory) {
  TRY_VOID(admins_only(request));
  TRY(body, JsonBody::parse(request.body, {"plan", "state"}));
  TRY(plan, body.required<std::string_view>("plan"));
  TRY(state, body.required<std::string_view>("state"));
  if (std::ranges::find(kPlans, plan) == kPlans.end() || std::ranges::find(kStates, state) == kStates.end()) {
    return refuse(422, "invalid_tenant", "`plan` is free, pro or enterprise; `state` is active or suspended.");
  }
  auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  auto id = request.captures[0];
  if (id.size() > kMaxTenantIdBytes || !std::ranges::all_of(id, allowed)) {
    return refuse(422, "invalid_tenant",
                  fmt::format("A tenant's id has 1 to {} of a-z, 0-9 and -.", kMaxTenantIdBytes));
  }
  Tenant tenant{std::string(id), std::string(plan), std::string(state)};
  bool created = directory.put_tenant(tenant);
  JsonWriter json;
  write_tenant(json, tenant);
  return services::json_response(created ? 201 : 200, json.take());
}

}  // namespace

void add_tenant_routes(services::Router& router, AccessDirectory& directory) {
  using services::answering;
  router.add("GET", "/api/v1/tenants",
             answering([&](const Request& request) { return list_tenants(request, directory); }));
  router.add("PUT", "/api/v1/tenants/{}",
             answering([&](const Request& request) { return put_tenant(request, directory); }));
}

}  // namespace lotagate::users
