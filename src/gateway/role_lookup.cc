#include "gateway/role_lookup.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "access/access_answer.h"
#include "base/host_port.h"
#include "base/text.h"
#include "gateway/body.h"
#include "gateway/worker.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/writer.h"

namespace lotagate {
namespace {

enum class Kind : std::uint8_t { user, api_key };

std::unexpected<Error> unavailable(std::string_view reason) {
  return fail(ErrorCode::authorization_unavailable, Origin::internal, reason);
}

// Everything a look-up needs, kept alive by its own coroutine: the view may be replaced meanwhile.
struct RoleLookup final : BackgroundTask {
  RoleLookup(Worker& w, WorkerView& view, Kind what, std::string_view text)
      : worker(w),
        snapshot(view.snapshot),
        kind(what),
        key(text),
        authorization(view.service_authorization),
        pool(w.pick(view.user_management)),
        body(w.reactor(), Side::upstream) {
    reactor().timers().arm(alarm.timer, reactor().now() + timeout());
    worker.enter(*this);
  }
  ~RoleLookup() { worker.leave(*this); }
  RoleLookup(const RoleLookup&) = delete;
  RoleLookup& operator=(const RoleLookup&) = delete;

  FramePool& frames() { return worker.frames(); }
  Reactor& reactor() { return worker.reactor(); }
  access::RoleDirectory& directory() const {
    return kind == Kind::user ? *snapshot->directory : *snapshot->key_directory;
  }
  nanoseconds timeout() const { return snapshot->config.user_management->timeout; }
  // Ends it wherever it stands.
  void end(const Error& error) {
    if (!ended) ended = error;
    if (connection) connection->socket.cancel(error);
  }
  // That the gateway ends says nothing about the service.
  void cut(const Error& error) override {
    failure = access::LookupFailure::not_asked;
    end(error);
  }

  Worker& worker;
  std::shared_ptr<const config::Snapshot> snapshot;
  Kind kind;
  std::string key;  // a subject or a digest
  std::string authorization;
  upstream::EndpointPool* pool;
  std::unique_ptr<upstream::UpstreamConnection> connection;
  Buffer buffer;
  http::ResponseHead response;
  BodyStream body;
  bool answer_begun = false;                                       // something came back
  access::LookupFailure failure = access::LookupFailure::service;  // what it is if there is no answer
  std::optional<Error> ended;                                      // why it was ended before its answer

  // One deadline for everything: nothing that comes, however slowly, moves it. So the waits below need none.
  struct Alarm {
    explicit Alarm(RoleLookup& owner) : lookup(owner) {}
    static void fire(Timer& timer) {
      reinterpret_cast<Alarm&>(timer).lookup.end(unavailable("service too slow").error());
    }
    Timer timer{fire};  // first member: the timer's address is the alarm's
    RoleLookup& lookup;
  };
  Alarm alarm{*this};
};

std::string request_text(const RoleLookup& lookup) {
  const config::UserManagement& settings = *lookup.snapshot->config.user_management;
  std::string path =
      lookup.kind == Kind::user ? access::user_access_path(lookup.key) : access::api_key_path(lookup.key);
  std::string out = "GET " + settings.url.path + path;
  out += " HTTP/1.1\r\nHost: " + host_and_port(settings.url.host, settings.url.port);
  out += "\r\nAuthorization: " + lookup.authorization + "\r\nAccept: application/json\r\n\r\n";
  return out;
}

Task<Result<void>> connect(RoleLookup& lookup) {
  auto begun = lookup.worker.begin_connect(*lookup.pool);
  if (!begun && begun.error() == upstream::ConnectFailure::no_descriptors) {
    lookup.failure = access::LookupFailure::not_asked;
  }
  if (!begun) co_return unavailable("service unreachable");
  lookup.connection = std::move(*begun);
  auto wait = co_await lookup.connection->socket.writable(kNever);
  if (wait != Wait::ready || !lookup.pool->finish_connect(*lookup.connection)) {
    co_return unavailable("service unreachable");
  }
  co_return Result<void>{};
}

// Receives the head; on success `rest` is what came behind it.
Task<Result<void>> receive_head(RoleLookup& lookup, std::string_view& rest) {
  http::HeadScanner scanner;
  std::size_t filled = 0;
  lookup.buffer = lookup.reactor().buffers().take();
  while (true) {
    auto wait = co_await lookup.connection->socket.readable(kNever);
    if (wait != Wait::ready) co_return std::unexpected(*lookup.ended);
    std::span<char> room(lookup.buffer.data() + filled, lookup.buffer.capacity() - filled);
    IoResult result = lookup.connection->socket.try_receive(room);
    if (result.status == IoStatus::would_block) continue;
    if (result.status != IoStatus::ok) co_return unavailable("service closed the connection");
    filled += result.bytes;
    lookup.answer_begun = true;
    std::string_view bytes(lookup.buffer.data(), filled);
    auto status = scanner.scan(bytes);
    if (status == http::HeadScanner::Status::malformed) co_return unavailable("answer is not HTTP");
    if (status == http::HeadScanner::Status::incomplete) {
      if (filled == lookup.buffer.capacity()) co_return unavailable("answer head too large");
      continue;
    }
    rest = bytes.substr(scanner.head_bytes());
    auto parsed = http::parse_response_head(bytes.substr(0, scanner.head_bytes()), {}, lookup.response);
    if (!parsed) co_return unavailable("answer is not HTTP");
    co_return Result<void>{};
  }
}

Task<Result<std::string>> receive_body(RoleLookup& lookup, std::string_view rest) {
  auto framing = http::response_framing(lookup.response, false);
  if (!framing) co_return unavailable("answer is not HTTP");
  lookup.body.begin(lookup.connection->socket, *framing, rest, lookup.timeout(), access::kMaxAccessAnswerBytes);
  std::string text;
  while (true) {
    auto piece = lookup.body.next();
    if (!piece && piece.error().code == ErrorCode::body_too_large) lookup.failure = access::LookupFailure::answer;
    if (!piece) co_return unavailable("answer broken off or too large");
    text += piece->data;
    if (piece->end) break;
    if (!piece->data.empty()) continue;
    auto filled = co_await lookup.body.fill();
    if (!filled) co_return unavailable("answer broken off");
  }
  co_return text;
}

Task<Result<std::string>> exchange(RoleLookup& lookup) {
  std::string request = request_text(lookup);
  iovec part{request.data(), request.size()};
  auto sent = co_await send_all(lookup.reactor(), lookup.connection->socket, std::span(&part, 1), lookup.timeout());
  if (sent.status != SendStatus::sent) co_return unavailable("service closed the connection");
  std::string_view rest;
  auto head = co_await receive_head(lookup, rest);
  if (!head) co_return std::unexpected(head.error());
  auto body = co_await receive_body(lookup, rest);
  if (!body) co_return body;
  bool reusable = http::keeps_alive(lookup.response.fields, lookup.response.minor) && lookup.body.leftover().empty() &&
                  !lookup.ended;
  if (reusable) lookup.pool->put_back(std::move(lookup.connection), lookup.snapshot->config.timeouts.upstream_idle);
  co_return body;
}

// One attempt on a kept connection, which the service may just have closed, then one on a fresh one.
Task<Result<std::string>> ask(RoleLookup& lookup) {
  if (lookup.pool == nullptr) co_return unavailable("service has no address");
  lookup.connection = lookup.pool->take_idle();
  if (lookup.connection) {
    auto answer = co_await exchange(lookup);
    bool again = !answer && !lookup.answer_begun && !lookup.ended;
    if (!again) co_return answer;
    lookup.connection.reset();
    lookup.body.release();
  }
  auto connected = co_await connect(lookup);
  if (!connected) co_return std::unexpected(connected.error());
  co_return co_await exchange(lookup);
}

// 404 is an answer too. Whatever else there is (a redirect, a 5xx, a refused token) concerns the service as a whole.
bool is_answer(std::uint16_t status) { return status == 200 || status == 404; }

// Error: what the service said of this one was not understood.
Result<access::StoredGrant> read_answer(const RoleLookup& lookup, const std::string& body) {
  if (lookup.response.status == 404) return access::unknown_grant(lookup.key);
  if (lookup.kind == Kind::user) return access::parse_access_answer(body, lookup.key);
  return access::parse_api_key_answer(body, lookup.key);
}

void report(RoleLookup& lookup, const Result<std::string>& body) {
  auto fail = [&](access::LookupFailure failure, std::string_view reason) {
    lookup.worker.warn_about_lookup(reason);
    lookup.directory().fail(lookup.key, lookup.reactor().now(), failure);
  };
  if (!body) return fail(lookup.failure, body.error().reason);
  if (!is_answer(lookup.response.status)) {
    return fail(access::LookupFailure::service, fmt::format("answered with status {}", lookup.response.status));
  }
  auto grant = read_answer(lookup, *body);
  if (!grant) return fail(access::LookupFailure::answer, grant.error().reason);
  lookup.directory().complete(*std::move(grant), lookup.reactor().now());
}

Task<void> run_lookup(Worker& worker, std::unique_ptr<RoleLookup> lookup) {
  Result<std::string> body = unavailable("no answer");
  try {
    body = co_await ask(*lookup);
  } catch (const std::exception& error) {  // the directory must hear the end of every look-up
    spdlog::error("bug: exception in a role look-up: {}", error.what());
  }
  if (!body && lookup->ended) body = std::unexpected(*lookup->ended);
  report(*lookup, body);
  lookup.reset();  // before the frame, which the worker would not wait for
}

}  // namespace

void start_role_lookup(Worker& worker, WorkerView& view, std::string_view subject) {
  spawn(worker, run_lookup(worker, std::make_unique<RoleLookup>(worker, view, Kind::user, subject)));
}

void start_api_key_lookup(Worker& worker, WorkerView& view, std::string_view digest) {
  spawn(worker, run_lookup(worker, std::make_unique<RoleLookup>(worker, view, Kind::api_key, digest)));
}

}  // namespace lotagate
