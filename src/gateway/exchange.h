// One request and its answer, from the complete head to the log line. The steps are members, so that they can hand on
// what they found; exchange.cc holds their order, admission.cc the checks, forward.cc, relay.cc and upgrade.cc the
// upstream side, upstream_head.cc and answer.cc what is written. Pooled by the worker: reuse allocates nothing in
// steady state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "config/snapshot.h"
#include "gateway/access_check.h"
#include "gateway/body.h"
#include "gateway/concurrency_check.h"
#include "gateway/limit_check.h"
#include "gateway/request_checks.h"
#include "gateway/tunnel.h"
#include "gateway/worker.h"
#include "http/head.h"
#include "http/target.h"
#include "runtime/event.h"
#include "telemetry/record.h"
#include "upstream/endpoint_pool.h"

namespace lotagate {

class Connection;
class LookupWait;

class Exchange final : public HangupListener {
 public:
  explicit Exchange(Worker& worker);
  ~Exchange();

  // Handles the request whose complete head is `head`; `rest` is what was received behind it. True if the connection
  // may take another request. The caller keeps both views valid until this returns.
  Task<bool> run(Connection& connection, std::string_view head, std::string_view rest);
  // Answers a head that could not be received whole; the connection closes.
  Task<bool> refuse(Connection& connection, std::string_view bytes, const Error& error);

  // Ends the wait for access, or the forwarding, with `error`; the client still gets an answer if none was begun.
  void cut(const Error& error);
  FramePool& frames() { return worker_.frames(); }

 private:
  // How far the head of the answer has come: interim is a whole one that another follows (1xx).
  enum class ResponseStep : std::uint8_t { incomplete, interim, complete };
  // A relayed answer whose head has been written.
  struct Relay {
    Buffer head = {};  // what is still to be sent points into it
    Outgoing outgoing = {};
    bool ends_with_connection = false;  // nothing else marks the end of the body
    bool done = false;
  };
  // What the record of a request says of its route.
  struct RouteNames {
    std::string_view route;
    std::string_view service;
    std::uint32_t slot;
  };
  // Why the upload of a request body stopped.
  enum class Upload : std::uint8_t { none, running, complete, broken };

  void on_hangup(bool reset) override;

  // exchange.cc
  void begin(Connection& connection);
  Result<void> admit(std::string_view head, std::string_view rest);
  void salvage(std::string_view head);
  void finish(bool keep);
  void release_view();
  void leave_view();
  void record();
  telemetry::RequestEnd end_of() const;

  // admission.cc: may this request be forwarded, and where
  Result<void> read_request(std::string_view head, std::string_view rest);
  void identify_client();
  IpAddress forwarded_client(const std::vector<Network>& trusted) const;
  Result<void> match_route();
  LimitQuestion limit_question() const;
  Result<void> apply_limits(config::LimitStage stage);
  Task<Result<void>> take_places();
  AccessQuestion access_question() const;
  Task<Result<void>> await_access();

  // forward.cc: the request to the upstream
  Task<Result<void>> forward();
  Task<Result<void>> attempt(bool fresh);
  Task<Result<void>> connect(upstream::EndpointPool& pool);
  BodySink::Kind request_sink_kind() const;
  Task<Result<void>> send_request(std::span<iovec> parts, bool nothing_sent);
  Result<void> start_upload();
  Task<void> upload();
  Task<void> stop_upload();
  void begin_response_head();
  MonotonicTime response_head_deadline() const;
  Result<ResponseStep> receive_response_head(Wait wait);
  Task<Result<void>> await_response_head(ResponseStep step);
  Result<ResponseStep> scan_response();
  Task<Result<void>> forward_interim();
  Result<void> send_continue();
  Error before_answer(ErrorCode code, std::string_view reason) const;
  void probe_half_closed();

  // relay.cc: the answer to the client
  Result<http::Framing> begin_response_body();
  void settle_limits(const http::Framing& framing);
  void settle_limits_late();
  bool transforms_response() const;
  Result<Relay> relay_head(const http::Framing& framing);
  Task<Result<void>> relay_rest(Relay relay);
  Task<Result<void>> transform_error();
  Task<std::string> read_error_body();
  void release_upstream();

  // upgrade.cc: switching to WebSocket
  Result<void> check_upgrade();
  bool is_websocket_accepted() const;
  void end_with_caller(Tunnel::Times& times) const;
  Task<Result<void>> switch_protocols();

  // upstream_head.cc
  void write_upstream_head(http::HeadWriter& out);
  void write_forwarding(http::HeadWriter& out);
  void write_identity(http::HeadWriter& out);
  void write_trace(http::HeadWriter& out);

  // answer.cc
  void write_downstream_head(http::HeadWriter& out, const http::Framing& framing, bool chunked);
  void write_kept_fields(http::HeadWriter& out, bool replaced_body);
  void write_common(http::HeadWriter& out);
  void settle_limits(const Error& error);
  void write_error_fields(http::HeadWriter& out, const Error& error);
  Task<bool> answer_error(const Error& error);
  // Sends a whole answer of our own. True if it went out.
  Task<bool> answer_problem(const Error& error, const std::string& body, bool keep_backend_fields);
  Task<Result<void>> answer_options();
  bool drain_request_body();
  bool to_head() const { return request_.method == "HEAD"; }

  const config::ServiceTimeouts& service_timeouts() const;
  Socket& client() const;

  Worker& worker_;
  Connection* connection_ = nullptr;
  WorkerView* view_ = nullptr;
  Arena arena_;

  // The request
  http::RequestHead request_;
  std::size_t request_head_bytes_ = 0;
  http::Target target_;
  http::Framing request_framing_;
  BodyStream request_body_;
  const config::CompiledRoute* route_ = nullptr;
  std::optional<RouteNames> kept_names_;  // of route_, once the view has been left
  IpAddress client_ip_;
  bool peer_trusted_ = false;
  FieldFindings field_findings_;
  bool keep_alive_ = false;
  bool awaits_access_ = false;  // something about the caller is being looked up
  bool upgrading_ = false;      // asks for a WebSocket, on a route that allows it
  std::string_view request_id_;
  std::string_view trace_id_;
  std::string_view trace_flags_;
  std::string_view allow_;     // for 405
  std::string_view instance_;  // the canonical path once there is one: raw ones are not echoed (P13)

  // The caller
  AccessCheck access_;
  LookupWait* access_wait_ = nullptr;  // while one is under way
  std::string_view path_subject_;      // what stands for {subject} in the path
  LimitCheck limits_;
  ConcurrencyCheck places_;

  // The upstream
  upstream::EndpointPool* pool_ = nullptr;
  std::unique_ptr<upstream::UpstreamConnection> upstream_;
  std::string_view endpoint_;
  Upload upload_ = Upload::none;
  std::optional<OneShotEvent> upload_done_;
  BodySink upstream_sink_;
  Buffer answer_;  // what the upstream sends: heads, and the first body bytes
  std::size_t answer_begin_ = 0;
  std::size_t answer_end_ = 0;
  http::HeadScanner answer_scanner_;
  MonotonicTime response_deadline_{};
  http::ResponseHead response_;
  BodyStream response_body_;
  std::optional<PumpTarget> downstream_;
  BodySink downstream_sink_;
  int interim_responses_ = 0;

  // For the record
  WallTime wall_started_{};
  MonotonicTime started_{};
  MonotonicTime forward_began_{};
  std::optional<MonotonicTime> ended_;  // known when the answer was relayed whole: spares the record a clock
  nanoseconds upstream_duration_{0};
  std::uint8_t attempts_ = 0;
  bool reached_service_ = false;  // some attempt had a connection, and may have been worked for
  std::uint16_t status_ = 0;
  std::optional<Error> error_;
  std::uint64_t body_bytes_out_ = 0;
  std::uint64_t tunnel_bytes_in_ = 0;
  bool head_sent_ = false;
  bool response_chunked_ = false;
};

}  // namespace lotagate
