// The checks a request passes before it is forwarded: syntax, route, limits, caller, permission.
#include <algorithm>

#include "base/text.h"
#include "gateway/connection.h"
#include "gateway/exchange.h"
#include "gateway/lookup_wait.h"

namespace lotagate {
namespace {

bool is_request_id(std::string_view text) { return text.size() <= 64 && http::is_token(text); }

}  // namespace

Result<void> Exchange::read_request(std::string_view head, std::string_view rest) {
  request_head_bytes_ = head.size();
  const config::Limits& limits = view_->snapshot->config.limits;
  http::HeadLimits head_limits{.head_bytes = limits.head, .fields = limits.fields, .target_bytes = limits.target};
  auto parsed = http::parse_request_head(head, head_limits, request_);
  if (!parsed) {
    salvage(head);
    return parsed;
  }
  identify_client();
  auto target = http::resolve_target(request_, arena_);
  if (!target) {
    salvage(head);
    return std::unexpected(target.error());
  }
  target_ = *target;
  instance_ = target_.path;
  TRY(framing, http::request_framing(request_));
  TRY_VOID(check_fields(request_, worker_.shared().instance, field_findings_));
  request_framing_ = framing;
  const config::Timeouts& timeouts = view_->snapshot->config.timeouts;
  request_body_.begin(client(), framing, rest, timeouts.body_progress, limits.body);
  request_body_.require_rate(limits.body_rate, timeouts.body_grace);
  keep_alive_ = http::keeps_alive(request_.fields, request_.minor) && !worker_.draining();
  return {};
}

// Behind a trusted proxy the client is whom that proxy names, and its request id is taken over.
void Exchange::identify_client() {
  const auto& listener = view_->snapshot->config.listeners[connection_->listener_index()];
  const auto& trusted = listener.trusted_proxies;
  auto trusts = [&](const IpAddress& ip) {
    return std::any_of(trusted.begin(), trusted.end(), [&](const Network& network) { return network.contains(ip); });
  };
  peer_trusted_ = trusts(connection_->peer().ip);
  if (!peer_trusted_) return;
  client_ip_ = forwarded_client(trusted);
  const http::Field* id = request_.fields.only(http::FieldName::x_request_id);
  if (id != nullptr && is_request_id(id->value)) request_id_ = id->value;
}

// X-Forwarded-For from right to left: the first address that is not a trusted proxy (I04). An unreadable one ends it.
IpAddress Exchange::forwarded_client(const std::vector<Network>& trusted) const {
  IpAddress client = connection_->peer().ip;
  for (auto field = request_.fields.items.rbegin(); field != request_.fields.items.rend(); ++field) {
    if (!iequals(field->name, "x-forwarded-for")) continue;
    std::string_view list = field->value;
    while (true) {
      auto comma = list.rfind(',');
      auto ip = parse_ip(trim(comma == std::string_view::npos ? list : list.substr(comma + 1)));
      if (!ip) return client;
      client = *ip;
      bool is_proxy = std::any_of(trusted.begin(), trusted.end(), [&](const Network& n) { return n.contains(*ip); });
      if (!is_proxy) return client;
      if (comma == std::string_view::npos) break;
      list = list.substr(0, comma);
    }
  }
  return client;
}

Result<void> Exchange::match_route() {
  auto header = [this](std::string_view name) { return request_.fields.only_value(name); };
  const config::Snapshot& snapshot = *view_->snapshot;
  route::RouteMatch match =
      snapshot.table.match({.host = target_.host, .path = target_.path, .method = request_.method}, header);
  switch (match.kind) {
    case route::RouteMatch::Kind::not_found: return fail(ErrorCode::route_not_found, Origin::downstream, "no route");
    case route::RouteMatch::Kind::method_not_allowed:
      allow_ = match.allow;
      return fail(ErrorCode::method_not_allowed, Origin::downstream, "method");
    case route::RouteMatch::Kind::found: break;
  }
  route_ = &snapshot.routes[match.index];
  path_subject_ = match.subject;
  request_body_.limit(route_->max_body);
  return check_length(request_framing_, route_->max_body);
}

LimitQuestion Exchange::limit_question() const {
  return {.snapshot = *view_->snapshot,
          .route = *route_,
          .fields = request_.fields,
          .path = target_.path,
          .client = client_ip_,
          .peer_trusted = peer_trusted_,
          .caller = access_.limit_caller()};
}

// R05: what needs no caller stands before authentication, and costs less.
Result<void> Exchange::apply_limits(config::LimitStage stage) {
  if (route_->limits.empty()) return {};
  return limits_.apply(limit_question(), stage);
}

// The last step before the request is forwarded: nobody holds a place, or waits for one, who would be refused anyway.
Task<Result<void>> Exchange::take_places() {
  LimitQuestion question = limit_question();
  auto decision = places_.take(question);
  if (!decision) {
    client().set_hangup_listener(this);
    if (client().cancelled()) {
      decision = std::unexpected(client().cancel_error());
    } else {
      decision = co_await places_.wait(question);
    }
    client().set_hangup_listener(nullptr);
  }
  if (*decision) co_return *decision;
  const Error& error = decision->error();
  if (error.code == ErrorCode::client_closed) {
    // Who leaves has asked, or leaving would be a way to ask for ever. What a service would have charged goes back.
    limits_.settle({.status = error_status(error), .reached_service = false});
  } else {
    limits_.give_back();
  }
  co_return *decision;
}

AccessQuestion Exchange::access_question() const {
  return {.view = *view_,
          .route = *route_,
          .fields = request_.fields,
          .method = request_.method,
          .path = target_.path,
          .path_subject = path_subject_};
}

Task<Result<void>> Exchange::await_access() {
  // A key and a user are two look-ups; another round each covers an answer that was overtaken by a change. More means
  // that the directory is in trouble. One deadline for all of them: each look-up alone may take as long.
  constexpr int kRounds = 5;
  MonotonicTime deadline = worker_.reactor().now() + view_->snapshot->config.user_management->timeout;
  for (int round = 0; round < kRounds; ++round) {
    LookupWait wait(worker_);
    auto decision = access_.proceed(access_question(), &wait.waiter());
    if (decision) co_return *decision;
    Error too_late = access_.unanswered().error();
    access_wait_ = &wait;
    co_await wait.begin(deadline, too_late);
    access_wait_ = nullptr;
    if (wait.error()) co_return std::unexpected(*wait.error());
  }
  co_return fail(ErrorCode::authorization_unavailable, Origin::internal, "roles change too fast");
}

}  // namespace lotagate
