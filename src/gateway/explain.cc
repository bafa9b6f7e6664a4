#include "gateway/explain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <csignal>

#include "access/access_answer.h"
#include "access/api_key.h"
#include "access/authenticator.h"
#include "access/policy.h"
#include "base/arena.h"
#include "config/load.h"
#include "config/snapshot.h"
#include "gateway/authentication_settings.h"
#include "gateway/credentials.h"
#include "gateway/fetch.h"
#include "gateway/key_source.h"
#include "gateway/request_checks.h"
#include "http/head.h"
#include "http/target.h"

namespace lotagate {
namespace {

constexpr std::size_t kArenaBytes = 16 * 1024;
constexpr IpAddress kNobody{};  // an address that no client has

std::shared_ptr<const config::Snapshot> compile(config::Config config) {
  // Nothing is forwarded or counted.
  config::CompileHooks hooks{
      .resolve = [](const config::Url&) { return std::vector<SocketAddress>(); },
      .metrics_slot = [](const std::string&, const std::string&) { return std::uint32_t{0}; },
      .bucket_kind = [](const std::string&, const std::string&) { return std::uint16_t{0}; },
      .shared_policy = {},
      .health = [](const SocketAddress&) { return std::make_shared<upstream::EndpointHealth>(); }};
  return config::compile(std::move(config), hooks, nullptr);
}

std::vector<std::string> list_of(const access::TextList& texts) {
  std::vector<std::string> out;
  for (std::string_view text : texts) out.emplace_back(text);
  return out;
}

void append(std::vector<std::string>& out, const access::TextList& texts) {
  for (std::string_view text : texts) out.emplace_back(text);
}

std::vector<std::string> needs_of(const access::Requirement& requirement, std::string_view method) {
  std::vector<std::string> needs;
  const access::MethodRule* rule = requirement.find(method);
  if (rule == nullptr) {
    if (!requirement.methods.empty()) return {fmt::format("nothing allows {}", method)};
    if (requirement.owned) needs.emplace_back("to be the path's {subject}");
    return needs;
  }
  auto add = [&](std::string_view words, const std::vector<std::string>& texts) {
    if (!texts.empty()) needs.push_back(fmt::format("{} {}", words, fmt::join(texts, ", ")));
  };
  if (requirement.owned && rule->owner_or.empty()) needs.emplace_back("to be the path's {subject}");
  add("to be the path's {subject}, or to hold", rule->owner_or);
  add(rule->all.size() == 1 ? "permission" : "all permissions of", rule->all);
  add("any permission of", rule->any);
  add(rule->roles.size() == 1 ? "role" : "any role of", rule->roles);
  add(rule->scopes.size() == 1 ? "scope" : "all scopes of", rule->scopes);
  return needs;
}

// One walk through the steps; the first error ends it.
class Walk {
 public:
  Walk(const ExplainOptions& options, const config::Snapshot& snapshot)
      : options_(options), snapshot_(snapshot), arena_(kArenaBytes) {
    found_.method = options.method;
  }

  Explanation run() {
    auto outcome = steps();
    if (!outcome) found_.refusal = outcome.error();
    if (limits_reached_) find_limits();
    return std::move(found_);
  }

 private:
  Result<void> steps() {
    TRY_VOID(read_request());
    if (target_.path == "*" || findings_.for_us()) {
      found_.notes.emplace_back("the gateway answers this itself");
      return {};
    }
    TRY_VOID(find_route());
    TRY_VOID(check_upgrade());
    limits_reached_ = true;
    if (route_->is_public) return {};
    TRY_VOID(find_caller());
    return decide();
  }

  Result<void> read_request() {
    text_ = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", options_.method, options_.target, options_.host);
    if (!options_.token.empty()) text_ += fmt::format("Authorization: Bearer {}\r\n", options_.token);
    if (!options_.api_key.empty()) text_ += fmt::format("{}: {}\r\n", key_header(), options_.api_key);
    for (const std::string& header : options_.headers) text_ += header + "\r\n";
    text_ += "\r\n";
    http::HeadScanner scanner;
    bool one_head = scanner.scan(text_) == http::HeadScanner::Status::complete && scanner.head_bytes() == text_.size();
    if (!one_head) return fail(ErrorCode::bad_request, Origin::downstream, "line syntax");
    const config::Limits& limits = snapshot_.config.limits;
    http::HeadLimits head_limits{.head_bytes = limits.head, .fields = limits.fields, .target_bytes = limits.target};
    TRY_VOID(http::parse_request_head(text_, head_limits, head_));
    TRY(target, http::resolve_target(head_, arena_));
    target_ = target;
    found_.path = target.path;
    TRY(framing, http::request_framing(head_));
    framing_ = framing;
    return check_fields(head_, {}, findings_);  // a loop is seen by a running gateway alone
  }

  Result<void> find_route() {
    auto header = [this](std::string_view name) { return head_.fields.only_value(name); };
    match_ = snapshot_.table.match({.host = target_.host, .path = target_.path, .method = head_.method}, header);
    switch (match_.kind) {
      case route::RouteMatch::Kind::not_found: return fail(ErrorCode::route_not_found, Origin::downstream, "no route");
      case route::RouteMatch::Kind::method_not_allowed:
        found_.notes.push_back(fmt::format("allowed here: {}", match_.allow));
        return fail(ErrorCode::method_not_allowed, Origin::downstream, "method");
      case route::RouteMatch::Kind::found: break;
    }
    route_ = &snapshot_.routes[match_.index];
    found_.route = route_->name;
    found_.service = snapshot_.services[route_->service].name;
    found_.is_public = route_->is_public;
    found_.report_only = route_->report_only;
    found_.needs = needs_of(route_->require, head_.method);
    return check_length(framing_, route_->max_body);
  }

  Result<void> check_upgrade() {
    if (!route_->websocket) return {};
    TRY(upgrades, asks_for_websocket(head_, framing_));
    if (upgrades) found_.notes.emplace_back("the connection becomes a WebSocket if the service agrees");
    return {};
  }

  Result<void> find_caller() {
    CredentialRules rules{.takes_api_keys = route_->api_keys, .api_key_header = key_header()};
    auto shown = find_credential(head_.fields, rules);
    if (!shown) {
      if (!options_.api_key.empty() && !route_->api_keys) found_.notes.emplace_back("the route takes no API keys");
      return std::unexpected(shown.error());
    }
    found_.credential = credential_name(shown->kind);
    return shown->kind == Credential::token ? find_token(shown->text) : find_key(shown->text);
  }

  Result<void> find_token(std::string_view token) {
    access::Authenticator authenticator(authentication_settings(snapshot_.config));
    std::shared_ptr<const access::KeyRing> ring;
    {
      KeySource source({.issuers = snapshot_.config.authentication.issuers,
                        .publish = [&](std::shared_ptr<const access::KeyRing> keys) { ring = std::move(keys); },
                        .log = [](std::string_view) {},
                        .constant_keys = secret_keys,
                        .times = {}});
      source.start();
      source.stop();
      note_key_sets(source.problems());
    }
    authenticator.replace_keys(std::move(ring));
    TRY(principal, authenticator.authenticate(token, now()));
    principal_ = principal;
    found_.subject = principal->subject;
    found_.issuer = principal->issuer;
    found_.tenant = principal->tenant;
    found_.roles = list_of(access::TextList(principal->roles));
    found_.permissions = list_of(access::TextList(principal->permissions));
    found_.scopes = list_of(access::TextList(principal->scopes, ' '));
    if ((route_->issuers >> principal->issuer_index & 1) == 0) {
      return fail(ErrorCode::invalid_token, Origin::downstream, "issuer_not_accepted");
    }
    if (!snapshot_.config.authentication.issuers[principal->issuer_index].user_management) return {};
    return find_user();
  }

  // Indexed like the issuers. Said of all of them: until a token is verified, whose it is stands only in the token.
  void note_key_sets(const std::vector<std::string>& problems) {
    for (std::size_t i = 0; i < problems.size(); ++i) {
      const std::string& issuer = snapshot_.config.authentication.issuers[i].issuer;
      if (!problems[i].empty()) found_.notes.push_back(fmt::format("key set of {}: {}", issuer, problems[i]));
    }
  }

  Result<void> find_key(std::string_view text) {
    if (!access::valid_api_key(text)) {
      return fail(ErrorCode::invalid_token, Origin::downstream, "api_key_malformed");
    }
    access::ApiKeyDigest digest(text);
    TRY(answer, ask(access::api_key_path(digest.text())));
    if (answer.status == 404) {
      key_ = access::unknown_grant(digest.text());
    } else {
      TRY(parsed, access::parse_api_key_answer(answer.body, digest.text()));
      key_ = std::move(parsed);
    }
    access::AccessGrant key = key_.view();
    found_.key_id = key.key_id;
    TRY_VOID(access::check_api_key(key, now()));
    found_.subject = key.subject;
    found_.key_permissions = list_of(key.permissions);
    return find_user();
  }

  Result<void> find_user() {
    TRY(answer, ask(access::user_access_path(found_.subject)));
    if (answer.status == 404) {
      user_ = access::unknown_grant(found_.subject);
    } else {
      TRY(parsed, access::parse_access_answer(answer.body, found_.subject));
      user_ = std::move(parsed);
    }
    access::AccessGrant user = user_.view();
    found_.tenant = user.tenant;
    found_.plan = user.plan;
    append(found_.roles, user.roles);
    append(found_.permissions, user.permissions);
    return {};
  }

  // 200 and 404 are answers.
  Result<FetchAnswer> ask(std::string_view path) {
    const config::UserManagement& service = *snapshot_.config.user_management;
    auto unavailable = [&](std::string problem) {
      found_.notes.push_back(fmt::format("User Management Service at {}: {}", service.url.text, problem));
      return fail(ErrorCode::authorization_unavailable, Origin::internal, "no answer");
    };
    Fetcher fetcher;
    auto answer = fetcher.get({.url = fmt::format("{}{}", service.url.text, path),
                               .bearer_token = service.token,
                               .timeout = service.timeout,
                               .max_bytes = access::kMaxAccessAnswerBytes});
    if (!answer) return unavailable(answer.error().text);
    if (answer->status != 200 && answer->status != 404) {
      return unavailable(fmt::format("answered with status {}", answer->status));
    }
    return *std::move(answer);
  }

  Result<void> decide() {
    access::AccessGrant user;
    if (user_) user = user_.view();
    access::Standing standing{
        .subject = found_.subject, .token = principal_ ? &*principal_ : nullptr, .user = user_ ? &user : nullptr};
    if (key_) standing.key_permissions = key_.view().permissions;
    if (!target_.path.contains(';')) standing.path_subject = http::decode_segment(match_.subject, arena_);
    TRY_VOID(access::check_standing(standing));
    auto allowed = access::authorize(route_->require, head_.method, standing);
    if (allowed || !route_->report_only) return allowed;
    found_.would_deny = allowed.error().reason;
    return {};
  }

  void find_limits() {
    std::string roles = fmt::format("{}", fmt::join(found_.roles, ","));
    LimitQuestion question{.snapshot = snapshot_,
                           .route = *route_,
                           .fields = head_.fields,
                           .path = target_.path,
                           .client = options_.address ? *options_.address : kNobody,
                           .peer_trusted = options_.from_proxy,
                           .caller = {.subject = found_.subject,
                                      .tenant = found_.tenant,
                                      .plan = found_.plan,
                                      .roles = roles,
                                      .key_id = found_.key_id}};
    if (principal_) question.caller.claims = principal_->limit_claims;
    for (const config::CompiledConcurrency* limit : route_->concurrency) found_.concurrency.push_back(limit->rule.name);
    found_.limits = explain_limits(
        question, {.address_known = options_.address.has_value(), .late_reached = !found_.refusal.has_value()});
  }

  std::string_view key_header() const { return snapshot_.config.authentication.api_keys.header; }
  static WallTime now() { return WallTime(std::chrono::system_clock::now()); }

  const ExplainOptions& options_;
  const config::Snapshot& snapshot_;
  Arena arena_;
  std::string text_;
  http::RequestHead head_;
  http::Target target_;
  http::Framing framing_;
  FieldFindings findings_;
  route::RouteMatch match_;
  const config::CompiledRoute* route_ = nullptr;
  access::PrincipalRef principal_;
  access::StoredGrant key_;
  access::StoredGrant user_;
  bool limits_reached_ = false;  // by a request that nothing before the first limit refuses
  Explanation found_;
};

}  // namespace

std::expected<Explanation, std::vector<std::string>> explain(const ExplainOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);  // what Fetcher asks for
  auto config = config::load_config(options.config_file);
  if (!config) {
    std::vector<std::string> lines;
    for (const auto& error : config.error()) lines.push_back(config::to_string(error));
    return std::unexpected(std::move(lines));
  }
  auto snapshot = compile(*std::move(config));
  return Walk(options, *snapshot).run();
}

}  // namespace lotagate
