#include "gateway/access_check.h"

#include "gateway/role_lookup.h"
#include "gateway/worker.h"
#include "http/target.h"

namespace lotagate {
namespace {

using access::DirectoryState;
using telemetry::PolicyOutcome;

std::unexpected<Error> invalid(std::string_view reason) {
  return fail(ErrorCode::invalid_token, Origin::downstream, reason);
}

// Whether some look-up has to be awaited, started by this request if nobody has yet.
template <typename Start>
bool must_wait(DirectoryState state, Start start) {
  switch (state) {
    case DirectoryState::fresh:
    case DirectoryState::stale:
    case DirectoryState::unavailable: return false;
    case DirectoryState::stale_refresh: start(); return false;
    case DirectoryState::fetch: start(); return true;
    case DirectoryState::wait: return true;
  }
  return false;
}

}  // namespace

void AccessCheck::reset() {
  credential_ = Credential::none;
  policy_ = PolicyOutcome::none;
  principal_ = {};
  digest_.reset();
  key_accepted_ = false;
  key_expires_ = WallTime::max();
  key_permissions_ = key_id_ = subject_ = tenant_ = plan_ = roles_ = would_deny_reason_ = {};
}

std::optional<Result<void>> AccessCheck::proceed(const AccessQuestion& question, access::DirectoryWaiter* waiter) {
  if (credential_ == Credential::none) {
    auto found = accept_credential(question);
    if (!found) return found;
  }
  if (credential_ == Credential::api_key && !key_accepted_) {
    auto accepted = look_key_up(question, waiter);
    if (!accepted || !*accepted) return accepted;
    key_accepted_ = true;
  }
  if (asks_service(question)) return look_user_up(question, waiter);
  return decide(question, nullptr);
}

Result<void> AccessCheck::accept_credential(const AccessQuestion& question) {
  const config::ApiKeys& api_keys = question.view.snapshot->config.authentication.api_keys;
  CredentialRules rules{.takes_api_keys = question.route.api_keys, .api_key_header = api_keys.header};
  TRY(shown, find_credential(question.fields, rules));
  credential_ = shown.kind;
  if (credential_ == Credential::token) return accept_token(question, shown.text);
  if (!access::valid_api_key(shown.text)) return invalid("api_key_malformed");
  digest_.emplace(shown.text);
  return {};
}

Result<void> AccessCheck::accept_token(const AccessQuestion& question, std::string_view token) {
  access::Authenticator& authenticator = worker_.authenticator();
  auto principal = authenticator.authenticate(token, worker_.reactor().wall_now());
  if (auto missed = authenticator.take_refetch_request()) worker_.shared().request_key_refetch(*missed);
  if (!principal) return std::unexpected(principal.error());
  if ((question.route.issuers >> (*principal)->issuer_index & 1) == 0) return invalid("issuer_not_accepted");
  principal_ = *std::move(principal);
  subject_ = principal_->subject;
  tenant_ = principal_->tenant;
  roles_ = principal_->roles;
  return {};
}

LimitCaller AccessCheck::limit_caller() const {
  LimitCaller caller{.subject = subject_, .tenant = tenant_, .plan = plan_, .roles = roles_, .key_id = key_id_};
  if (principal_) caller.claims = principal_->limit_claims;
  return caller;
}

std::unexpected<Error> AccessCheck::unanswered() const {
  bool key = credential_ == Credential::api_key && !key_accepted_;
  if (key) return fail(ErrorCode::authorization_unavailable, Origin::internal, "no answer about the API key");
  return fail(ErrorCode::authorization_unavailable, Origin::internal, "no answer about the user");
}

std::optional<Result<void>> AccessCheck::look_key_up(const AccessQuestion& question, access::DirectoryWaiter* waiter) {
  Result<void> accepted = unanswered();
  auto visit = [&](const access::AccessGrant& key) { accepted = accept_key(key); };
  auto state = question.view.snapshot->key_directory->find(digest_->text(), worker_.reactor().now(), waiter, visit);
  bool waits = must_wait(state, [&] { start_api_key_lookup(worker_, question.view, digest_->text()); });
  if (waits) return std::nullopt;
  return accepted;
}

WallTime AccessCheck::expires() const {
  if (!principal_) return key_expires_;
  seconds skew = worker_.view().snapshot->config.authentication.clock_skew;
  return principal_->expires < WallTime::max() - skew ? principal_->expires + skew : WallTime::max();
}

Error AccessCheck::expired() const {
  if (principal_) {
    return {.code = ErrorCode::expired_token, .origin = Origin::downstream, .reason = "claim_exp_passed"};
  }
  return {.code = ErrorCode::invalid_token, .origin = Origin::downstream, .reason = "api_key_expired"};
}

Result<void> AccessCheck::accept_key(const access::AccessGrant& key) {
  key_id_ = arena_.copy(key.key_id);
  key_expires_ = key.expires;
  TRY_VOID(access::check_api_key(key, worker_.reactor().wall_now()));
  subject_ = arena_.copy(key.subject);
  key_permissions_ = arena_.copy(key.permissions.joined());
  return {};
}

bool AccessCheck::asks_service(const AccessQuestion& question) const {
  if (credential_ == Credential::api_key) return true;
  return question.view.snapshot->config.authentication.issuers[principal_->issuer_index].user_management;
}

std::optional<Result<void>> AccessCheck::look_user_up(const AccessQuestion& question, access::DirectoryWaiter* waiter) {
  Result<void> decision = unanswered();
  auto visit = [&](const access::AccessGrant& user) { decision = decide(question, &user); };
  auto state = question.view.snapshot->directory->find(subject_, worker_.reactor().now(), waiter, visit);
  bool waits = must_wait(state, [&] { start_role_lookup(worker_, question.view, subject_); });
  if (waits) return std::nullopt;
  return decision;
}

// With `user` this runs under the directory's lock: comparisons and short copies only.
Result<void> AccessCheck::decide(const AccessQuestion& question, const access::AccessGrant* user) {
  access::Standing standing{.subject = subject_, .token = principal_ ? &*principal_ : nullptr, .user = user};
  if (credential_ == Credential::api_key) standing.key_permissions = access::TextList(key_permissions_);
  // A segment with parameters is read as another one by some services, so it names nobody.
  bool names_someone = !question.path_subject.empty() && !http::has_parameters(question.path);
  if (names_someone) standing.path_subject = http::decode_segment(question.path_subject, arena_);
  TRY_VOID(access::check_standing(standing));
  if (user != nullptr) {
    tenant_ = arena_.copy(user->tenant);
    plan_ = arena_.copy(user->plan);
    std::string_view own = user->roles.joined();
    bool both = !own.empty() && !roles_.empty();
    roles_ = arena_.concat({roles_, both ? "," : "", own});
  }
  auto allowed = access::authorize(question.route.require, question.method, standing);
  if (!question.route.require.empty()) policy_ = allowed ? PolicyOutcome::allow : PolicyOutcome::deny;
  if (allowed || !question.route.report_only) return allowed;
  policy_ = PolicyOutcome::would_deny;
  would_deny_reason_ = allowed.error().reason;
  return {};
}

}  // namespace lotagate
