#include "gateway/exchange.h"

#include <utility>

#include "gateway/connection.h"
#include "gateway/lookup_wait.h"

namespace lotagate {
namespace {

constexpr std::size_t kArenaBytes = 4096;

}  // namespace

Exchange::Exchange(Worker& worker)
    : worker_(worker),
      arena_(kArenaBytes),
      request_body_(worker.reactor(), Side::downstream),
      access_(worker, arena_),
      limits_(worker, arena_),
      places_(worker, arena_),
      response_body_(worker.reactor(), Side::upstream) {}

Exchange::~Exchange() = default;

// The whole life of a request. The first error ends it.
Task<bool> Exchange::run(Connection& connection, std::string_view head, std::string_view rest) {
  begin(connection);
  auto outcome = admit(head, rest);
  if (outcome && route_ == nullptr) {
    outcome = co_await answer_options();
  } else if (outcome) {
    if (awaits_access_) outcome = co_await await_access();
    if (outcome) outcome = apply_limits(config::LimitStage::after_authentication);
    if (outcome && !route_->concurrency.empty()) outcome = co_await take_places();
    if (outcome) outcome = co_await forward();
  }
  bool keep = keep_alive_;
  if (!outcome) {
    Error error = outcome.error();
    keep = co_await answer_error(error);
  }
  keep = keep && request_body_.ended();
  finish(keep);
  co_return keep;
}

// What can be decided at once. No route without an error: the gateway itself is asked.
Result<void> Exchange::admit(std::string_view head, std::string_view rest) {
  TRY_VOID(read_request(head, rest));
  if (target_.path == "*" || field_findings_.for_us()) return {};
  TRY_VOID(match_route());
  TRY_VOID(check_upgrade());
  TRY_VOID(apply_limits(config::LimitStage::before_authentication));
  if (route_->is_public) return {};
  auto decision = access_.proceed(access_question(), nullptr);
  awaits_access_ = !decision;
  return decision ? *decision : Result<void>{};
}

Task<bool> Exchange::refuse(Connection& connection, std::string_view bytes, const Error& error) {
  begin(connection);
  salvage(bytes);
  co_await answer_error(error);
  finish(false);
  co_return false;
}

// A head that does not parse still shows in the log as far as it can be read.
void Exchange::salvage(std::string_view head) {
  std::string_view target;
  http::salvage_request_line(head, request_.method, target);
  auto question = target.find('?');
  target_.path = target.substr(0, question);
  if (question != std::string_view::npos) target_.query = target.substr(question);
}

void Exchange::begin(Connection& connection) {
  connection_ = &connection;
  connection.exchange_ = this;
  view_ = &worker_.view();
  ++view_->exchanges;
  worker_.count_request();

  arena_.reset();
  request_.method = {};
  request_.target = {};
  request_.minor = 1;
  request_.fields.clear();
  target_ = {};
  request_framing_ = {};
  request_body_.begin(connection.socket(), {}, {}, nanoseconds(0), 0);
  route_ = nullptr;
  kept_names_.reset();
  client_ip_ = connection.peer().ip;
  peer_trusted_ = false;
  field_findings_ = {};
  keep_alive_ = false;
  upgrading_ = false;
  awaits_access_ = false;
  request_id_ = worker_.ids().id128(arena_);
  trace_id_ = {};
  trace_flags_ = {};
  allow_ = {};
  instance_ = {};
  access_.reset();
  path_subject_ = {};
  limits_.reset();
  places_.reset();
  endpoint_ = {};
  upload_ = Upload::none;
  response_.status = 0;
  interim_responses_ = 0;
  wall_started_ = worker_.reactor().wall_now();
  started_ = connection.head_began_;
  ended_.reset();
  upstream_duration_ = nanoseconds(0);
  attempts_ = 0;
  reached_service_ = false;
  status_ = 0;
  error_.reset();
  body_bytes_out_ = 0;
  tunnel_bytes_in_ = 0;
  head_sent_ = false;
  response_chunked_ = false;
}

// Records, then lets go of everything the request held.
void Exchange::finish(bool keep) {
  if (limits_.awaits_trailers()) settle_limits_late();
  record();
  places_.release();
  if (keep) connection_->carry_over(request_body_.leftover());
  request_body_.release();
  response_body_.release();
  answer_.release();
  upstream_.reset();
  downstream_.reset();
  upload_done_.reset();
  connection_->exchange_ = nullptr;
  if (view_ != nullptr) release_view();
}

void Exchange::release_view() {
  WorkerView& view = *std::exchange(view_, nullptr);
  if (--view.exchanges == 0) worker_.retire(view);
}

// Takes along what the record needs. A tunnel may outlive many configurations and must not keep each of them in memory.
void Exchange::leave_view() {
  if (route_ != nullptr) {
    kept_names_ = {.route = arena_.copy(route_->name),
                   .service = arena_.copy(view_->snapshot->services[route_->service].name),
                   .slot = route_->metrics_slot};
    endpoint_ = arena_.copy(endpoint_);
  }
  route_ = nullptr;
  limits_.reset();
  release_view();
}

telemetry::RequestEnd Exchange::end_of() const {
  using telemetry::RequestEnd;
  if (!error_ || error_->code == ErrorCode::upstream_error) return RequestEnd::complete;
  switch (error_->code) {
    case ErrorCode::client_closed: return RequestEnd::client_closed;
    case ErrorCode::upstream_unreachable:
    case ErrorCode::upstream_reset:
    case ErrorCode::upstream_invalid: return RequestEnd::upstream_failed;
    case ErrorCode::request_timeout:
    case ErrorCode::upstream_timeout: return RequestEnd::timed_out;
    case ErrorCode::internal: return RequestEnd::aborted;
    default: return head_sent_ && status_ < 400 ? RequestEnd::aborted : RequestEnd::refused;
  }
}

void Exchange::record() {
  telemetry::RequestRecord record;
  record.time = wall_started_;
  record.request_id = request_id_;
  record.trace_id = trace_id_;
  record.method = request_.method;
  record.path = target_.path;
  record.query = target_.query.empty() ? target_.query : target_.query.substr(1);
  record.endpoint = endpoint_;
  record.user = access_.subject();
  record.credential = credential_name(access_.credential());
  record.key_id = access_.key_id();
  record.policy = access_.policy();
  record.client = client_ip_;
  record.status = status_;
  if (error_) {
    record.code = error_->code;
    record.reason = error_->reason;
  } else {
    record.reason = access_.would_deny_reason();
  }
  record.bytes_in = request_body_.octets() + tunnel_bytes_in_;
  record.bytes_out = body_bytes_out_;
  record.duration = (ended_ ? *ended_ : worker_.reactor().backend().now()) - started_;
  record.queue_duration = places_.waited();
  record.upstream_duration = upstream_duration_;
  record.attempts = attempts_;
  record.end = end_of();
  record.method_index = telemetry::method_index(request_.method);
  if (kept_names_) {
    record.route = kept_names_->route;
    record.service = kept_names_->service;
    record.route_slot = kept_names_->slot;
  } else if (route_ != nullptr) {
    record.route = route_->name;
    record.service = view_->snapshot->services[route_->service].name;
    record.route_slot = route_->metrics_slot;
  }
  worker_.metrics().record(record);
  worker_.log().write(record);
}

void Exchange::cut(const Error& error) {
  if (access_wait_ != nullptr) access_wait_->cut(error);
  places_.cut(error);
  if (upstream_) upstream_->socket.cancel(error);
}

// The client's connection changed while nobody reads from it. A reset ends the upstream request at once. An end of its
// sending side may be a half-closed client that still wants its answer, or one that has gone: asking tells (below).
void Exchange::on_hangup(bool reset) {
  if (!reset) {
    if (request_body_.ended()) probe_half_closed();
    return;
  }
  Error gone{.code = ErrorCode::client_closed, .origin = Origin::downstream, .reason = "client gone"};
  client().cancel(gone);
  places_.cut(gone);
  if (upstream_) upstream_->socket.cancel(gone);
}

Socket& Exchange::client() const { return connection_->socket(); }

const config::ServiceTimeouts& Exchange::service_timeouts() const {
  return view_->snapshot->services[route_->service].timeouts;
}

}  // namespace lotagate
