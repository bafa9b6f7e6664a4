// The paths of the User Management Service. Each function adds its own to the router; what it is given must outlive it.
#pragma once

#include <string>

#include "common/router.h"
#include "users/accounts.h"
#include "users/key_store.h"
#include "users/logins.h"
#include "users/operations.h"
#include "users/password.h"
#include "users/token_issuer.h"

namespace lotagate::users {

// POST /api/v1/users/{login,refresh,logout}: for everybody.
void add_login_routes(services::Router& router, Logins& logins);
// /.well-known/jwks.json, /.well-known/openid-configuration: for everybody.
void add_key_documents(services::Router& router, const TokenIssuer& issuer);

// The administration, for callers whom the gateway has authenticated. docs/users-api.yaml describes the paths.
void add_account_routes(services::Router& router, const Operations& operations, PasswordHasher& hasher);  // users
void add_api_key_routes(services::Router& router, const Operations& operations);  // users/{}/api-keys
void add_session_routes(services::Router& router, const Operations& operations);  // users/{}/sessions
void add_password_routes(services::Router& router, const Operations& operations, Logins& logins,
                         PasswordHasher& hasher);                                // users/{}/password
void add_role_routes(services::Router& router, const Operations& operations);    // roles, permissions
void add_tenant_routes(services::Router& router, const Operations& operations);  // tenants
void add_audit_routes(services::Router& router, const Operations& operations);   // audit

// GET /api/v1/users/openapi.json and .yaml: docs/users-api.yaml as it was when this was built. Before the account
// routes, whose {} would match them. Throws StartupError for a document that is not YAML.
void add_openapi_routes(services::Router& router);

// /internal/v1: for the gateway itself. The whole router is behind `service_token`, also what others add to it.
// docs/user-management-contract.yaml describes the paths.
void add_internal_routes(services::Router& router, services::Database& database, ChangeFeed& changes,
                         const std::string& service_token);

// /internal/v1/keys: the signing keys, and rotating them by hand. Behind the service token, too.
void add_key_routes(services::Router& router, KeyStore& keys);

}  // namespace lotagate::users
