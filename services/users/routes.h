// The paths of the User Management Service. Each function adds its own to the router; what it is given must outlive it.
#pragma once

#include <string>

#include "common/router.h"
#include "users/access.h"
#include "users/accounts.h"
#include "users/password.h"
#include "users/token_issuer.h"

namespace lotagate::users {

// POST /api/v1/users/login, GET /.well-known/jwks.json, GET /.well-known/openid-configuration: for everybody.
void add_login_routes(services::Router& router, AccountStore& accounts, PasswordHasher& hasher,
                      const TokenIssuer& issuer);

// /api/v1/users: for callers whom the gateway has authorized.
void add_account_routes(services::Router& router, AccountStore& accounts, AccessDirectory& directory,
                        PasswordHasher& hasher);

// /api/v1/tenants: for admins.
void add_tenant_routes(services::Router& router, AccessDirectory& directory);

// /internal/v1: for the gateway itself. The whole router is behind `service_token`, also what others add to it.
// docs/user-management-contract.yaml describes the paths.
void add_internal_routes(services::Router& router, AccessDirectory& directory, ChangeFeed& changes,
                         const std::string& service_token);

}  // namespace lotagate::users
