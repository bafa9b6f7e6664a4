#include "gateway/connection.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <exception>

#include "gateway/exchange.h"
#include "gateway/worker.h"

namespace lotagate {
namespace {

// How long, and how much, an ended connection may still send before it is closed for good.
constexpr seconds kLingerFor{2};
constexpr std::size_t kLingerBytes = 4 * 1024 * 1024;

}  // namespace

Connection::Connection(Worker& worker, const Accepted& accepted, std::size_t listener_index)
    : worker_(worker),
      socket_(worker.reactor(), accepted.handle),
      peer_(accepted.peer),
      peer_text_bytes_(format_ip(peer_.ip, peer_text_).size()),
      listener_index_(listener_index) {}

Connection::~Connection() { become_busy(); }

FramePool& Connection::frames() { return worker_.frames(); }

Task<void> Connection::serve(Worker& worker, std::unique_ptr<Connection> self) {
  try {
    co_await self->run();
  } catch (const std::exception& error) {
    spdlog::error("bug: exception in a connection: {}", error.what());
  } catch (...) {
    spdlog::error("bug: exception in a connection");
  }
  worker.forget(*self);
  self.reset();
}

void Connection::cut(const Error& error) {
  if (exchange_ != nullptr) {
    exchange_->cut(error);
  } else {
    socket_.cancel(error);
  }
}

Task<void> Connection::run() {
  if (refusal) {
    co_await refuse();
    co_return;
  }
  // One coroutine for all requests of the connection: each wait and each request costs no frame of its own here.
  bool keep = true;
  while (keep) {
    auto status = begin_head();
    while (!status) {
      auto wait = co_await socket_.readable(head_deadline_);
      status = receive_head(wait);
    }
    if (*status == HeadStatus::closed) co_return;
    auto exchange = worker_.take_exchange();
    if (*status == HeadStatus::failed) {
      keep = co_await exchange->refuse(*this, buffered(), head_error_);
    } else {
      std::string_view head = buffered().substr(0, scanner_.head_bytes());
      std::string_view rest = buffered().substr(head.size());
      ++requests_;
      keep = co_await exchange->run(*this, head, rest);
    }
    worker_.give_back(std::move(exchange));
    scanner_.reset();
    if (!keep || begin_ == end_) input_.release();
  }
  co_await linger();
}

// No request is read: there is no room for its connection.
Task<void> Connection::refuse() {
  head_began_ = worker_.reactor().now();
  auto exchange = worker_.take_exchange();
  co_await exchange->refuse(*this, {}, *refusal);
  worker_.give_back(std::move(exchange));
  co_await linger();
}

void Connection::become_busy() {
  if (linked()) worker_.idle_connections().remove(*this);
}

// The first wait of a connection and of each request: no buffer is held, so an idle client costs little.
std::optional<Connection::HeadStatus> Connection::begin_head() {
  const config::Timeouts& timeouts = worker_.view().snapshot->config.timeouts;
  head_begun_ = begin_ < end_;
  header_timeout_ = timeouts.header;
  bool expected = head_begun_ || requests_ == 0;
  head_deadline_ = worker_.reactor().now() + (expected ? timeouts.header : timeouts.client_idle);
  if (!head_begun_) {
    worker_.idle_connections().add(*this);
    return std::nullopt;
  }
  head_began_ = worker_.reactor().backend().now();
  return scan();
}

std::optional<Connection::HeadStatus> Connection::receive_head(Wait wait) {
  if (wait != Wait::ready) {
    become_busy();
    if (wait == Wait::cancelled || !head_begun_) return HeadStatus::closed;
    return fail_head(ErrorCode::request_timeout, "head not complete in time");
  }
  if (!make_room()) return fail_head(ErrorCode::headers_too_large, "head too large");
  IoResult result = socket_.try_receive({input_.data() + end_, input_.capacity() - end_});
  if (result.status == IoStatus::would_block) return std::nullopt;
  become_busy();
  if (result.status != IoStatus::ok) return HeadStatus::closed;
  if (!head_begun_) {
    head_begun_ = true;
    head_began_ = worker_.reactor().backend().now();
    head_deadline_ = worker_.reactor().now() + header_timeout_;  // absolute: no byte moves it again (S02)
  }
  end_ += result.bytes;
  return scan();
}

// The answer of the scanner on what has been received, or nothing if the head goes on.
std::optional<Connection::HeadStatus> Connection::scan() {
  if (scanner_.head_bytes() == 0) begin_ += http::leading_blank_bytes(buffered());
  if (buffered() == "\r") return std::nullopt;  // the first half of one more blank line
  const config::Limits& limits = worker_.view().snapshot->config.limits;
  switch (scanner_.scan(buffered())) {
    case http::HeadScanner::Status::malformed: return fail_head(ErrorCode::bad_request, "line syntax");
    case http::HeadScanner::Status::complete:
      if (scanner_.head_bytes() <= limits.head) return HeadStatus::complete;
      return fail_size();
    case http::HeadScanner::Status::incomplete: break;
  }
  if (scanner_.has_first_line() && !http::begins_like_request(buffered())) {
    return fail_head(ErrorCode::bad_request, "request line");
  }
  bool long_line = !scanner_.has_first_line() && buffered().size() > limits.target + kRequestLineRest;
  if (long_line || buffered().size() >= limits.head) return fail_size();
  return std::nullopt;
}

// Too large: because of the request line, or because of the fields.
Connection::HeadStatus Connection::fail_size() {
  std::size_t line = std::min(buffered().find('\r'), buffered().size());
  bool long_line = line > worker_.view().snapshot->config.limits.target + kRequestLineRest;
  return long_line ? fail_head(ErrorCode::uri_too_long, "request line")
                   : fail_head(ErrorCode::headers_too_large, "head too large");
}

Connection::HeadStatus Connection::fail_head(ErrorCode code, std::string_view reason) {
  head_error_ = Error{.code = code, .origin = Origin::downstream, .reason = reason};
  return HeadStatus::failed;
}

// Makes sure there is room for more of the head; false if it would not fit the largest buffer.
bool Connection::make_room() {
  if (!input_) {
    input_ = worker_.reactor().buffers().take();
    begin_ = end_ = 0;
    return true;
  }
  if (end_ < input_.capacity()) return true;
  std::string_view kept = buffered();
  if (kept.size() == kLargeBufferBytes) return false;
  if (begin_ > 0) {
    std::memmove(input_.data(), kept.data(), kept.size());
  } else {
    Buffer larger = worker_.reactor().buffers().take(kLargeBufferBytes);
    std::memcpy(larger.data(), kept.data(), kept.size());
    input_ = std::move(larger);
  }
  end_ = kept.size();
  begin_ = 0;
  return true;
}

void Connection::carry_over(std::string_view leftover) {
  if (leftover.empty()) {
    begin_ = end_ = 0;
    return;
  }
  bool in_place = leftover.data() >= input_.data() && leftover.data() < input_.data() + input_.capacity();
  if (in_place) {
    begin_ = static_cast<std::size_t>(leftover.data() - input_.data());
    end_ = begin_ + leftover.size();
    return;
  }
  if (leftover.size() > input_.capacity()) input_ = worker_.reactor().buffers().take(leftover.size());
  std::memcpy(input_.data(), leftover.data(), leftover.size());
  begin_ = 0;
  end_ = leftover.size();
}

Task<void> Connection::linger() {
  if (socket_.cancelled() || socket_.failed() || socket_.aborts_on_close()) co_return;
  socket_.shutdown_write();
  MonotonicTime deadline = worker_.reactor().now() + kLingerFor;
  std::size_t total = 0;
  while (total < kLingerBytes) {
    auto wait = co_await socket_.readable(deadline);
    if (wait != Wait::ready) co_return;
    Buffer buffer = worker_.reactor().buffers().take(kLargeBufferBytes);
    IoResult result = socket_.try_receive({buffer.data(), buffer.capacity()});
    if (result.status == IoStatus::would_block) continue;
    if (result.status != IoStatus::ok) co_return;
    total += result.bytes;
  }
}

}  // namespace lotagate
