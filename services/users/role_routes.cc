#include <algorithm>
#include <array>

#include "common/http_query.h"
#include "common/http_revision.h"
#include "common/json_reader.h"
#include "common/json_writer.h"
#include "users/inputs.h"
#include "users/pages.h"
#include "users/roles.h"
#include "users/routes.h"

namespace lotagate::users {
namespace {

using services::JsonBody;
using services::JsonWriter;
using services::Outcome;
using services::refuse;
using services::Request;
using services::Response;

constexpr std::size_t kMaxDescriptionBytes = 200;

struct KnownPermission {
  std::string_view name;
  std::string_view description;
};

// What the routes of the platform require. Other services may require others; a role may have any.
constexpr std::array kKnownPermissions{
    KnownPermission{"api_keys:read", "See the API keys of others"},
    KnownPermission{"api_keys:write", "Make, change and delete the API keys of others"},
    KnownPermission{"audit:read", "Read the audit log"},
    KnownPermission{"infer:run", "Run models"},
    KnownPermission{"models:read", "See models"},
    KnownPermission{"models:write", "Train and delete models"},
    KnownPermission{"roles:read", "See roles and permissions"},
    KnownPermission{"roles:write", "Make, change and delete roles"},
    KnownPermission{"users:read", "See accounts"},
    KnownPermission{"users:write", "Make, change and delete accounts"},
};

void write_role(JsonWriter& json, const Role& role) {
  json.begin_object().member("id", role.id).member("name", role.name);
  if (!role.built_in()) json.member("tenant", role.tenant);
  json.member("built_in", role.built_in()).member("description", role.description);
  json.member("created_at", role.created_at).key("permissions").array(role.permissions).end_object();
}

Response role_response(int status, const Role& role) {
  JsonWriter json;
  write_role(json, role);
  return services::with_revision(services::json_response(status, json.take()), role.revision);
}

Outcome<Response> show_roles(Call& call) {
  TRY_VOID(require(call.caller, "roles:read"));
  TRY_VOID(services::only_parameters(call.request, {"limit", "after", "tenant"}));
  TRY(page, services::page_of(call.request));
  auto tenant = call.request.parameter("tenant").value_or("");
  if (!tenant.empty() && !services::is_id(tenant)) {
    return refuse(400, "invalid_parameter", "`tenant` is the id of a tenant.");
  }
  return page_response("roles", list_roles(call.transaction, call.caller, tenant, page.after, page.limit + 1), page,
                       write_role);
}

Outcome<Response> show_role(Call& call) {
  TRY_VOID(require(call.caller, "roles:read"));
  auto role = find_role(call.transaction, call.request.captures[0], call.caller);
  if (!role) return refuse(404, "unknown_role", "There is no such role.");
  return role_response(200, *role);
}

// What the body asks for; without a tenant, the caller's.
struct WantedRole {
  NewRole role;
  bool in_own_tenant = false;
};

Outcome<WantedRole> read_wanted(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"name", "description", "permissions", "tenant"}));
  TRY(wanted_name, body.required<std::string_view>("name"));
  TRY(name, role_name(wanted_name));
  TRY(description, read_label(body, "description", kMaxDescriptionBytes));
  TRY(permissions, read_permissions(body));
  if (!permissions) return refuse(400, "missing_member", "`permissions` is missing; it must be an array.");
  TRY(tenant, body.optional<std::string_view>("tenant"));
  NewRole role{.tenant = std::string(tenant.value_or("")),
               .name = std::move(name),
               .description = description.value_or(""),
               .permissions = std::move(*permissions)};
  return WantedRole{.role = std::move(role), .in_own_tenant = !tenant};
}

Outcome<Response> create(Call& call, const WantedRole& wanted) {
  NewRole new_role = wanted.role;
  if (wanted.in_own_tenant) new_role.tenant = call.caller.tenant;
  TRY(role, create_role(call, new_role));
  Response response = role_response(201, role);
  response.headers.emplace_back("Location", "/api/v1/roles/" + role.id);
  return response;
}

Outcome<RoleChange> read_change(const Request& request) {
  TRY(body, JsonBody::parse(request.body, {"name", "description", "permissions"}));
  RoleChange change;
  TRY(wanted_name, body.optional<std::string_view>("name"));
  if (wanted_name) {
    TRY(name, role_name(*wanted_name));
    change.name = std::move(name);
  }
  TRY(description, read_label(body, "description", kMaxDescriptionBytes));
  change.description = std::move(description);
  TRY(permissions, read_permissions(body));
  change.permissions = std::move(permissions);
  if (!change.name && !change.description && !change.permissions) {
    return refuse(400, "nothing_to_change", "Give `name`, `description` or `permissions`.");
  }
  return change;
}

Outcome<Response> update(Call& call, const RoleChange& change) {
  TRY(role, change_role(call, call.request.captures[0], change));
  return role_response(200, role);
}

Outcome<Response> remove(Call& call) {
  TRY_VOID(remove_role(call, call.request.captures[0]));
  return services::json_response(204, {});
}

// The known ones, and those that the roles which the caller can see have besides.
Outcome<Response> show_permissions(Call& call) {
  TRY_VOID(require(call.caller, "roles:read"));
  JsonWriter json;
  json.begin_object().key("permissions").begin_array();
  for (const KnownPermission& known : kKnownPermissions) {
    json.begin_object().member("name", known.name).member("description", known.description).end_object();
  }
  services::Rows rows = call.transaction.query(
      "SELECT DISTINCT permission FROM role_permissions JOIN roles ON roles.id = role "
      "WHERE (? = 1 OR tenant IS NULL OR tenant = ?) ORDER BY permission",
      {std::int64_t{call.caller.is_admin}, std::string_view(call.caller.tenant)});
  while (rows.next()) {
    std::string name = rows.text(0);
    bool known = std::ranges::find(kKnownPermissions, name, &KnownPermission::name) != kKnownPermissions.end();
    if (!known) json.begin_object().member("name", name).member("description", "").end_object();
  }
  json.end_array().end_object();
  return services::json_response(200, json.take());
}

}  // namespace

void add_role_routes(services::Router& router, const Operations& operations) {
  router.add("GET", "/api/v1/roles", operations.reading(show_roles));
  router.add("POST", "/api/v1/roles", operations.changing(read_wanted, create));
  router.add("GET", "/api/v1/roles/{}", operations.reading(show_role));
  router.add("PATCH", "/api/v1/roles/{}", operations.changing(read_change, update));
  router.add("DELETE", "/api/v1/roles/{}", operations.changing(remove));
  router.add("GET", "/api/v1/permissions", operations.reading(show_permissions));
}

}  // namespace lotagate::users
