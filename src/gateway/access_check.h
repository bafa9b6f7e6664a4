// Who is calling, and may it: the credentials of one request, whom they name, and what the route asks of that caller.
// One per exchange; reuse allocates nothing in steady state.
#pragma once

#include <optional>
#include <string_view>

#include "access/api_key.h"
#include "access/policy.h"
#include "access/principal.h"
#include "access/role_directory.h"
#include "base/arena.h"
#include "base/result.h"
#include "config/snapshot.h"
#include "gateway/credentials.h"
#include "gateway/limit_identity.h"
#include "http/head.h"
#include "telemetry/record.h"

namespace lotagate {

class Worker;
struct WorkerView;

// The request that is asked about. Views, valid until the check has ended.
struct AccessQuestion {
  WorkerView& view;
  const config::CompiledRoute& route;
  const http::FieldList& fields;
  std::string_view method;
  std::string_view path;          // canonical
  std::string_view path_subject;  // what stands for {subject} in it, percent-encoded; empty without one
};

class AccessCheck {
 public:
  AccessCheck(Worker& worker, Arena& arena) : worker_(worker), arena_(arena) {}

  // Forgets the last caller.
  void reset();

  // Goes on as far as it can. The decision; or nothing if something is being looked up: `waiter` is queued, and after
  // its notice proceed() is called again with the same question. Without a waiter it must be called again at once.
  // Errors: bad_request, missing_token, invalid_token, expired_token, keys_unavailable, authorization_unavailable,
  // forbidden.
  std::optional<Result<void>> proceed(const AccessQuestion& question, access::DirectoryWaiter* waiter);

  // What the request ends with if what is being looked up comes too late.
  std::unexpected<Error> unanswered() const;

  // The caller, as far as it is known; empty where not. Views into the exchange's arena.
  std::string_view subject() const { return subject_; }
  std::string_view tenant() const { return tenant_; }
  std::string_view roles() const { return roles_; }    // comma separated, of the service and of the token
  std::string_view key_id() const { return key_id_; }  // of the API key
  // When the credential stops counting by itself, `clock_skew` included; WallTime::max(): never, or there is none.
  WallTime expires() const;
  // What a caller is told then.
  Error expired() const;
  // Header lines that the token's issuer has for services, each with its CRLF.
  std::string_view claim_lines() const { return principal_ ? std::string_view(principal_->header_lines) : ""; }
  // The caller as limits see it.
  LimitCaller limit_caller() const;
  Credential credential() const { return credential_; }
  telemetry::PolicyOutcome policy() const { return policy_; }
  // Why the policy would have refused, had it not been `report_only`.
  std::string_view would_deny_reason() const { return would_deny_reason_; }

 private:
  Result<void> accept_credential(const AccessQuestion& question);
  Result<void> accept_token(const AccessQuestion& question, std::string_view token);
  std::optional<Result<void>> look_key_up(const AccessQuestion& question, access::DirectoryWaiter* waiter);
  Result<void> accept_key(const access::AccessGrant& key);
  bool asks_service(const AccessQuestion& question) const;
  std::optional<Result<void>> look_user_up(const AccessQuestion& question, access::DirectoryWaiter* waiter);
  Result<void> decide(const AccessQuestion& question, const access::AccessGrant* user);

  Worker& worker_;
  Arena& arena_;
  Credential credential_ = Credential::none;
  telemetry::PolicyOutcome policy_ = telemetry::PolicyOutcome::none;
  access::PrincipalRef principal_;
  std::optional<access::ApiKeyDigest> digest_;
  bool key_accepted_ = false;
  std::string_view key_permissions_;
  std::string_view key_id_;
  WallTime key_expires_ = WallTime::max();
  std::string_view subject_;
  std::string_view tenant_;
  std::string_view plan_;
  std::string_view roles_;
  std::string_view would_deny_reason_;
};

}  // namespace lotagate
