#include "common/http_listener.h"

#include <fmt/format.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "common/acceptor.h"
#include "common/database.h"
#include "common/log.h"
#include "common/problem.h"

namespace lotagate::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Above the 50 s for which the gateway keeps idle connections: the side that reuses a connection should also be the
// one that closes it.
constexpr seconds kKeepAlive(75);
// Between two reads or two writes of a request in progress.
constexpr seconds kProgress(15);
constexpr std::size_t kMaxConnections = 512;
// Longer than any route. httplib picks handlers by std::regex, which recurses once per character.
constexpr std::size_t kMaxPathBytes = 512;

// One connection as httplib reads and writes it: buffered reads, whole writes, a deadline for either's progress and one
// for each request as a whole.
class SocketStream final : public httplib::Stream {
 public:
  SocketStream(Connection& connection, milliseconds request_time)
      : connection_(connection), request_time_(request_time) {}

  bool buffered() const { return at_ < end_; }
  void begin_request() { begun_ = Connection::Clock::now(); }
  // The request that has begun had not arrived in its time: nothing more is read from this connection.
  bool was_late() const { return was_late_; }

  bool is_readable() const override { return buffered() || more_comes(); }
  bool is_writable() const override { return can_send(); }

  ssize_t read(char* out, size_t size) override {
    if (!buffered()) {
      ssize_t received = receive();
      if (received <= 0) return received;
      at_ = 0;
      end_ = static_cast<std::size_t>(received);
    }
    std::size_t taken = std::min(size, end_ - at_);
    std::memcpy(out, buffer_ + at_, taken);
    at_ += taken;
    return static_cast<ssize_t>(taken);
  }

  ssize_t write(const char* data, size_t size) override {
    std::size_t sent = 0;
    while (sent < size) {
      ssize_t now = ::send(connection_.fd(), data + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (now >= 0) {
        sent += static_cast<std::size_t>(now);
      } else if ((errno != EAGAIN && errno != EINTR) || !can_send()) {
        return -1;
      }
    }
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = to_string(connection_.peer().ip);
    port = connection_.peer().port;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return connection_.fd(); }

 private:
  // What has come already is read without waiting; also that is too late when the time is over.
  ssize_t receive() {
    if (time_left() > milliseconds(0)) {
      ssize_t received = ::recv(connection_.fd(), buffer_, sizeof buffer_, MSG_DONTWAIT);
      if (received >= 0 || errno != EAGAIN) return received;
    }
    return more_comes() ? ::recv(connection_.fd(), buffer_, sizeof buffer_, 0) : -1;
  }

  bool more_comes() const {
    auto left = time_left();
    if (left > milliseconds(0) && connection_.wait_for_more(begun_, std::min<milliseconds>(left, kProgress)))
      return true;
    was_late_ = true;
    return false;
  }

  milliseconds time_left() const {
    return std::chrono::ceil<milliseconds>(begun_ + request_time_ - Connection::Clock::now());
  }

  bool can_send() const {
    pollfd waiting{connection_.fd(), POLLOUT, 0};
    int count = 0;
    do {
      count = ::poll(&waiting, 1, static_cast<int>(milliseconds(kProgress).count()));
    } while (count < 0 && errno == EINTR);
    return count == 1;
  }

  Connection& connection_;
  const milliseconds request_time_;
  Connection::Clock::time_point begun_{};
  mutable bool was_late_ = false;  // is_readable() is const
  char buffer_[16 * 1024];
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

// Makes the head fit what a service does, before httplib acts on it. False: close after the answer, because the bytes
// that follow may not be a request.
bool settle_head(httplib::Request& request) {
  request.ranges.clear();
  request.headers.erase("Accept-Encoding");  // answers are small; compressing is for the edge
  if (request.path.size() > kMaxPathBytes) request.path = "/path-longer-than-any-route";
  bool chunked = request.has_header("Transfer-Encoding");
  bool counted = request.has_header("Content-Length");
  // Without either there is no body (RFC 9112 6.3); httplib would read until the peer closes.
  if (!chunked && !counted) request.headers.emplace("Content-Length", "0");
  bool reads_body = request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS";
  bool has_body = chunked || (counted && request.get_header_value("Content-Length") != "0");
  return !(chunked && counted) && (reads_body || !has_body);
}

Request to_request(const httplib::Request& from) {
  Request request{.method = from.method, .path = from.path, .body = from.body, .peer = from.remote_addr};
  request.headers.assign(from.headers.begin(), from.headers.end());
  request.query.assign(from.params.begin(), from.params.end());
  return request;
}

bool send_next_part(const std::function<std::optional<std::string>()>& next_part, httplib::DataSink& sink) {
  try {
    auto part = next_part();
    if (part) return sink.write(part->data(), part->size());
    sink.done();
    return true;
  } catch (const std::exception& error) {
    log_line(fmt::format("stream broken off: {}", error.what()));
    return false;  // the missing last chunk tells the client
  }
}

void to_httplib(Response&& from, httplib::Response& response) {
  response.status = from.status;
  for (const auto& [name, value] : from.headers) response.set_header(name, value);
  if (from.next_part) {
    response.set_chunked_content_provider(from.content_type,
                                          [next_part = std::move(from.next_part)](size_t, httplib::DataSink& sink) {
                                            return send_next_part(next_part, sink);
                                          });
  } else if (!from.body.empty()) {
    response.body = std::move(from.body);
    response.set_header("Content-Type", from.content_type);
  }
}

void log_request(const httplib::Request& request, const httplib::Response& response) {
  log_line(fmt::format("{} {} {} {}", request.method, request.path, response.status,
                       request.get_header_value("X-Request-Id")));
}

}  // namespace

class HttpListener::Implementation : public httplib::Server {
 public:
  Implementation(const ListenerOptions& options, const StopSignal& stop_signal)
      : acceptor_(options.listen, kMaxConnections), request_time_(options.request_time), stop_signal_(stop_signal) {
    set_keep_alive_timeout(kKeepAlive.count());
    set_keep_alive_max_count(std::numeric_limits<int>::max());
    set_payload_max_length(options.max_body_bytes);
    auto handle = [this](const httplib::Request& request, httplib::Response& response) { answer(request, response); };
    Get("[^]*", handle);
    Post("[^]*", Handler(handle));
    Put("[^]*", Handler(handle));
    Patch("[^]*", Handler(handle));
    Delete("[^]*", Handler(handle));
    Options("[^]*", handle);
    set_error_handler(complete_error);
    if (options.verbose) set_logger(log_request);
  }

  Router& router() { return router_; }
  const SocketAddress& address() const { return acceptor_.address(); }

  void run(int stop_fd) {
    svr_sock_ = stop_fd;  // httplib takes an invalid listening socket for its stop, and ends streams
    acceptor_.run(stop_fd, [this](Connection& connection) { serve(connection); });
  }
  void finish(milliseconds grace) { acceptor_.finish(grace); }

 private:
  void serve(Connection& connection) {
    SocketStream stream(connection, request_time_);
    while (stream.buffered() || connection.wait_for_request(kKeepAlive)) {
      stream.begin_request();
      bool head_was_sound = false;
      bool closed = false;
      bool stopping = stop_signal_.raised();
      bool answered = process_request(stream, stopping, closed,
                                      [&](httplib::Request& request) { head_was_sound = settle_head(request); });
      if (!answered || closed || stopping || !head_was_sound || stream.was_late()) return;
    }
  }

  void answer(const httplib::Request& from, httplib::Response& response) {
    to_httplib(answer_or_explain(from), response);
  }

  Response answer_or_explain(const httplib::Request& from) {
    Request request = to_request(from);
    try {
      return router_.answer(request);
    } catch (const CommitUnknown& unknown) {
      log_line(fmt::format("{} {}: {}", from.method, from.path, unknown.what()));
      return problem_response({504, "outcome_unknown", "The database did not say whether this was done; look first."});
    } catch (const DatabaseUnavailable&) {  // logged once, when it went away
      return problem_response({503, "database_unavailable", "The database cannot be reached right now."});
    } catch (const UnstorableText&) {
      return problem_response({400, "invalid_text", "A text is not UTF-8, or has a NUL."});
    } catch (const std::exception& error) {
      log_line(fmt::format("{} {} failed: {}", from.method, from.path, error.what()));
      return problem_response({500, "internal", "The service failed; its log says why."});
    }
  }

  // What httplib refuses by itself has a status and nothing else.
  static void complete_error(const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    Problem problem{response.status, "bad_request", "The request is malformed, or came too slowly."};
    if (response.status == 413) problem = {413, "body_too_large", "The request's body is too large."};
    to_httplib(problem_response(problem), response);
  }

  Acceptor acceptor_;
  const milliseconds request_time_;
  Router router_;
  const StopSignal& stop_signal_;
};

HttpListener::HttpListener(const ListenerOptions& options, const StopSignal& stop_signal)
    : implementation_(std::make_unique<Implementation>(options, stop_signal)) {}
HttpListener::~HttpListener() = default;

Router& HttpListener::router() { return implementation_->router(); }
const SocketAddress& HttpListener::address() const { return implementation_->address(); }
void HttpListener::run(int stop_fd) { implementation_->run(stop_fd); }
void HttpListener::finish(milliseconds grace) { implementation_->finish(grace); }

}  // namespace lotagate::services
