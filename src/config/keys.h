// Every key that a configuration may hold. The loader reads through these lists and docs/configuration.md is tested
// against them, so that neither can know a key that the other does not.
#pragma once

#include <span>
#include <string_view>

namespace lotagate::config {

// The keys of one map; `path` is how the documentation writes the map's place.
struct KeyGroup {
  std::string_view path;
  std::span<const std::string_view> keys;
};

inline constexpr std::string_view kRootNames[] = {
    "listeners",      "admin",         "workers",     "timeouts",    "limits",           "services",
    "authentication", "authorization", "limit_store", "rate_limits", "rate_limit_table", "concurrency_limits",
    "routes",         "access_log"};
inline constexpr std::string_view kListenerNames[] = {"address", "trusted_proxies", "connections", "tls"};
inline constexpr std::string_view kAdminNames[] = {"address"};
inline constexpr std::string_view kTimeoutsNames[] = {"header",      "body_progress", "body_grace", "write_progress",
                                                      "client_idle", "upstream_idle", "drain"};
inline constexpr std::string_view kLimitsNames[] = {"head", "fields",    "target",      "token",
                                                    "body", "body_rate", "connections", "connections_per_address"};
inline constexpr std::string_view kServiceNames[] = {"endpoints", "timeouts"};
inline constexpr std::string_view kServiceTimeoutsNames[] = {"connect", "first_byte", "between_bytes", "upgrade_idle"};
inline constexpr std::string_view kAuthenticationNames[] = {"clock_skew", "token_cache", "issuers", "api_keys"};
inline constexpr std::string_view kApiKeysNames[] = {"header"};
inline constexpr std::string_view kIssuerNames[] = {
    "issuer",          "audiences",        "algorithms",      "jwks",         "secret_file", "typ",
    "required_claims", "subject_prefix",   "user_management", "tenant_claim", "roles_claim", "permissions_claim",
    "scopes_claim",    "claims_to_headers"};
inline constexpr std::string_view kJwksNames[] = {"url", "file", "discovery", "refresh", "max_stale", "cooldown"};
inline constexpr std::string_view kAuthorizationNames[] = {"user_management", "roles"};
inline constexpr std::string_view kUserManagementNames[] = {"url",     "token_file", "fresh_for", "stale_for",
                                                            "timeout", "max_users",  "memory"};
inline constexpr std::string_view kLimitStoreNames[] = {"url", "user", "password_file", "prefix", "memory", "timeout"};
inline constexpr std::string_view kRateLimitNames[] = {"key",         "tokens",         "refill",   "rate",
                                                       "by",          "cases",          "cost",     "count",
                                                       "stage",       "exempt",         "shared",   "on_store_failure",
                                                       "report_only", "legacy_headers", "show_keys"};
inline constexpr std::string_view kLimitSelectorNames[] = {"claim"};
inline constexpr std::string_view kLimitCaseNames[] = {"tokens", "refill", "rate"};
inline constexpr std::string_view kLimitCostNames[] = {"field", "reserve", "most"};
inline constexpr std::string_view kLimitExemptNames[] = {"addresses", "paths", "users"};
inline constexpr std::string_view kLimitKeyNames[] = {"header", "from", "claim"};
inline constexpr std::string_view kRateLimitTableNames[] = {"memory"};
inline constexpr std::string_view kConcurrencyLimitNames[] = {"key", "requests", "queue", "report_only"};
inline constexpr std::string_view kConcurrencyQueueNames[] = {"requests", "wait"};
inline constexpr std::string_view kRouteNames[] = {
    "concurrency", "priority", "name",     "path",   "host",          "methods", "headers", "service",  "public",
    "require",     "limits",   "max_body", "errors", "forward_token", "upgrade", "issuers", "api_keys", "report_only"};
inline constexpr std::string_view kRouteLimitNames[] = {"name", "cost"};
inline constexpr std::string_view kRequireNames[] = {"all", "any", "roles", "scopes", "owner_or"};
inline constexpr std::string_view kAccessLogNames[] = {"file", "buffer"};

inline constexpr KeyGroup kRootKeys{"", kRootNames};
inline constexpr KeyGroup kListenerKeys{"listeners[].", kListenerNames};
inline constexpr KeyGroup kAdminKeys{"admin.", kAdminNames};
inline constexpr KeyGroup kTimeoutsKeys{"timeouts.", kTimeoutsNames};
inline constexpr KeyGroup kLimitsKeys{"limits.", kLimitsNames};
inline constexpr KeyGroup kServiceKeys{"services.NAME.", kServiceNames};
inline constexpr KeyGroup kServiceTimeoutsKeys{"services.NAME.timeouts.", kServiceTimeoutsNames};
inline constexpr KeyGroup kAuthenticationKeys{"authentication.", kAuthenticationNames};
inline constexpr KeyGroup kApiKeysKeys{"authentication.api_keys.", kApiKeysNames};
inline constexpr KeyGroup kIssuerKeys{"authentication.issuers[].", kIssuerNames};
inline constexpr KeyGroup kJwksKeys{"authentication.issuers[].jwks.", kJwksNames};
inline constexpr KeyGroup kAuthorizationKeys{"authorization.", kAuthorizationNames};
inline constexpr KeyGroup kUserManagementKeys{"authorization.user_management.", kUserManagementNames};
inline constexpr KeyGroup kRateLimitKeys{"rate_limits.NAME.", kRateLimitNames};
inline constexpr KeyGroup kLimitKeyKeys{"rate_limits.NAME.key[].", kLimitKeyNames};
inline constexpr KeyGroup kLimitStoreKeys{"limit_store.", kLimitStoreNames};
inline constexpr KeyGroup kLimitSelectorKeys{"rate_limits.NAME.by.", kLimitSelectorNames};
inline constexpr KeyGroup kLimitCaseKeys{"rate_limits.NAME.cases.VALUE.", kLimitCaseNames};
inline constexpr KeyGroup kLimitCostKeys{"rate_limits.NAME.cost.", kLimitCostNames};
inline constexpr KeyGroup kLimitExemptKeys{"rate_limits.NAME.exempt.", kLimitExemptNames};
inline constexpr KeyGroup kRateLimitTableKeys{"rate_limit_table.", kRateLimitTableNames};
inline constexpr KeyGroup kConcurrencyLimitKeys{"concurrency_limits.NAME.", kConcurrencyLimitNames};
inline constexpr KeyGroup kConcurrencyQueueKeys{"concurrency_limits.NAME.queue.", kConcurrencyQueueNames};
inline constexpr KeyGroup kRouteKeys{"routes[].", kRouteNames};
inline constexpr KeyGroup kRouteLimitKeys{"routes[].limits[].", kRouteLimitNames};
inline constexpr KeyGroup kRequireKeys{"routes[].require.METHOD.", kRequireNames};
inline constexpr KeyGroup kAccessLogKeys{"access_log.", kAccessLogNames};

inline constexpr KeyGroup kAllKeys[] = {kRootKeys,
                                        kListenerKeys,
                                        kAdminKeys,
                                        kTimeoutsKeys,
                                        kLimitsKeys,
                                        kServiceKeys,
                                        kServiceTimeoutsKeys,
                                        kAuthenticationKeys,
                                        kApiKeysKeys,
                                        kIssuerKeys,
                                        kJwksKeys,
                                        kAuthorizationKeys,
                                        kUserManagementKeys,
                                        kLimitStoreKeys,
                                        kRateLimitKeys,
                                        kLimitKeyKeys,
                                        kLimitSelectorKeys,
                                        kLimitCaseKeys,
                                        kLimitCostKeys,
                                        kLimitExemptKeys,
                                        kRateLimitTableKeys,
                                        kConcurrencyLimitKeys,
                                        kConcurrencyQueueKeys,
                                        kRouteKeys,
                                        kRouteLimitKeys,
                                        kRequireKeys,
                                        kAccessLogKeys};

}  // namespace lotagate::config
