#include <fmt/core.h>

#include <utility>

#include "base/text.h"
#include "gateway/simulation/server.h"

namespace lotagate::simulation {
namespace {

constexpr std::size_t kChunkBytes = 700;
constexpr nanoseconds kPause = milliseconds(3);

bool answers_early(AnswerFault fault) { return fault == AnswerFault::early || fault == AnswerFault::early_close; }

bool ends_connection(const AnswerPlan& plan, AnswerFault fault) {
  return plan.style == AnswerStyle::until_close || fault == AnswerFault::say_close ||
         fault == AnswerFault::early_close || fault == AnswerFault::close_after;
}

std::string head_of(const Entry& entry, AnswerFault fault) {
  const AnswerPlan& plan = entry.plan.answer;
  std::string head;
  if (fault == AnswerFault::interim) head = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
  head += fmt::format("HTTP/1.1 {} Answer\r\nX-Nonce: {}\r\nContent-Type: text/plain\r\n", plan.status, entry.nonce);
  bool no_content = plan.status == 204 || plan.status == 304;
  if (plan.style == AnswerStyle::length && !no_content) head += fmt::format("Content-Length: {}\r\n", plan.bytes);
  if (plan.style == AnswerStyle::chunked && !no_content) head += "Transfer-Encoding: chunked\r\n";
  if (fault == AnswerFault::two_lengths) head += "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
  bool says_close = ends_connection(plan, fault) && fault != AnswerFault::close_after;
  if (says_close) head += "Connection: close\r\n";
  return head + "\r\n";
}

std::string body_of(const Entry& entry, AnswerFault fault) {
  const AnswerPlan& plan = entry.plan.answer;
  if (!has_answer_body(entry.plan)) return {};
  std::string body = body_piece('a', entry.nonce, 0, plan.bytes);
  if (plan.style != AnswerStyle::chunked) return body;
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += kChunkBytes) {
    std::string piece = body.substr(at, kChunkBytes);
    out += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  if (fault == AnswerFault::bad_chunk) return out + "zzz\r\n\r\n";
  return out + "0\r\n\r\n";
}

}  // namespace

Task<void> EchoService::serve(PeerStream& stream, SocketAddress from) {
  bool keep = true;
  while (keep) {
    keep = co_await serve_one(stream, from);
  }
  ledger_.exchange_ended(from);  // the address may be used again by another connection
}

Task<bool> EchoService::serve_one(PeerStream& stream, SocketAddress from) {
  auto text = co_await stream.read_head();
  if (!text) co_return false;
  auto head = parse_peer_head(*text);
  Entry* entry = head ? check_head(*head) : nullptr;
  if (entry == nullptr) {
    ledger_.violation("a service got what is no request: " + text->substr(0, 200));
    co_return false;
  }
  ledger_.exchange_began(from);
  ++entry->arrivals;
  const AnswerPlan& plan = entry->plan.answer;
  AnswerFault fault = plan.only_first_time && entry->arrivals > 1 ? AnswerFault::none : plan.fault;
  if (fault == AnswerFault::reset_at_once) stream.socket().abort_on_close();
  if (fault == AnswerFault::reset_at_once || fault == AnswerFault::close_at_once) co_return false;
  if (!answers_early(fault)) {
    bool whole = co_await read_body(stream, *head, *entry);
    if (!whole) co_return false;
  }
  if (entry->plan.upgrade && (fault == AnswerFault::none || fault == AnswerFault::slow)) {
    co_await tunnel(stream, *entry);
    co_return false;
  }
  bool keep = co_await answer(stream, from, *entry, fault);
  if (answers_early(fault)) {
    bool whole = co_await read_body(stream, *head, *entry);
    keep = keep && whole;
  }
  co_return keep;
}

// The request of the head, if it is one that may arrive, and as it should be.
Entry* EchoService::check_head(const PeerHead& head) {
  Entry* entry = ledger_.find_in(head.first_line);
  if (entry == nullptr) return nullptr;
  const RequestPlan& plan = entry->plan;
  auto wrong = [&](std::string_view what) {
    ledger_.violation(fmt::format("a service got request {} {}: {}", entry->nonce, what, head.first_line));
  };
  std::string line = fmt::format("{} {}/n{}-{} HTTP/1.1", plan.method, plan.route, entry->nonce, to_query(plan.answer));
  if (head.first_line != line) wrong("with another request line than " + line);
  if (head.count("host") != 1) wrong("without exactly one Host");
  if (head.count("x-request-id") != 1) wrong("without exactly one X-Request-Id");
  if (head.count("authorization") != 0) wrong("with the caller's token");
  if (head.count("x-api-key") != 0) wrong("with the caller's API key");
  if (head.count("x-auth-key-id") != (plan.api_key.empty() ? 0u : 1u)) wrong("with another API key's id");
  if ((head.count("upgrade") == 1) != plan.upgrade) wrong("with another Upgrade");
  if (plan.must_not_arrive) wrong("that should have been refused");
  const std::string* subject = head.only("x-auth-subject");
  if ((subject == nullptr ? std::string() : *subject) != plan.subject) wrong("with another subject");
  const std::string* length = head.only("content-length");
  const std::string* coding = head.only("transfer-encoding");
  if (head.count("content-length") + head.count("transfer-encoding") > 1) wrong("with two framings");
  if ((coding != nullptr) != (plan.body == BodyStyle::chunked)) wrong("with another framing");
  if ((length != nullptr) != (plan.body == BodyStyle::length)) wrong("with another framing");
  if (length != nullptr && *length != std::to_string(plan.body_bytes)) wrong("with another length");
  return entry;
}

Task<void> EchoService::tunnel(PeerStream& stream, Entry& entry) {
  if (!stream.pending().empty()) {
    ledger_.violation(fmt::format("bytes of tunnel {} came before its 101", entry.nonce));
  }
  entry.served = true;
  std::string text = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nX-Nonce: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
      entry.nonce);
  std::string answer = body_piece('a', entry.nonce, 0, entry.plan.answer.bytes);
  bool slow = entry.plan.answer.fault == AnswerFault::slow;
  if (!slow) text += std::exchange(answer, {});
  bool sent = co_await stream.write(std::move(text));
  if (sent) sent = co_await stream.write_slowly(std::move(answer), 200, kPause);
  std::string expected = body_piece('q', entry.nonce, 0, entry.plan.body_bytes);
  auto received = co_await stream.read_exactly(expected.size());
  bool ours = received ? *received == expected : expected.starts_with(stream.pending());
  if (!ours) ledger_.violation(fmt::format("tunnel {} carries other bytes", entry.nonce));
  if (!sent || !received) co_return;
  while (stream.end() == PeerEnd::open) co_await stream.fill();
  if (!stream.pending().empty()) ledger_.violation(fmt::format("tunnel {} carries more than was sent", entry.nonce));
}

// False if the body ended early: whoever sent it has gone.
Task<bool> EchoService::read_body(PeerStream& stream, const PeerHead& head, const Entry& entry) {
  std::string expected = body_piece('q', entry.nonce, 0, entry.plan.body_bytes);
  std::optional<std::string> body = std::string();
  if (entry.plan.body == BodyStyle::chunked) {
    body = co_await stream.read_chunks();
  } else if (entry.plan.body == BodyStyle::length) {
    body = co_await stream.read_exactly(expected.size());
    if (!body && !expected.starts_with(stream.pending())) ledger_.violation("a request body that is somebody else's");
  } else {
    expected.clear();
  }
  if (body && *body != expected) {
    ledger_.violation(fmt::format("the body of request {} is another one: {}", entry.nonce, head.first_line));
  }
  co_return body.has_value();
}

Task<bool> EchoService::answer(PeerStream& stream, SocketAddress from, Entry& entry, AnswerFault fault) {
  const AnswerPlan& plan = entry.plan.answer;
  if (fault == AnswerFault::reset_before) stream.socket().abort_on_close();
  if (fault == AnswerFault::reset_before || fault == AnswerFault::close_before) co_return false;
  if (fault == AnswerFault::stall_before) {
    while (stream.end() == PeerEnd::open) co_await stream.fill();
    co_return false;
  }
  if (fault == AnswerFault::garbage || fault == AnswerFault::endless_head) {
    std::string text = "220 mail.example ESMTP\r\n\r\n";
    if (fault == AnswerFault::endless_head) text = "HTTP/1.1 200 OK\r\nX-Long: " + std::string(100'000, 'x');
    co_await stream.write(std::move(text));
    co_return false;
  }
  entry.served = true;
  bool says_close = ends_connection(plan, fault) && fault != AnswerFault::close_after;
  if (says_close) ledger_.spoil(from, stream.sent_bytes());
  bool whole = co_await send(stream, from, entry, fault);
  if (!whole) co_return false;
  ledger_.exchange_ended(from);
  if (!ends_connection(plan, fault)) co_return true;
  // A service that said so may leave it to the gateway to close.
  bool waits = fault == AnswerFault::say_close && plan.style != AnswerStyle::until_close;
  if (!waits) stream.socket().shutdown_write();
  if (fault == AnswerFault::close_after) co_return false;
  while (stream.end() == PeerEnd::open) co_await stream.fill();  // a service that closes well reads to the end
  if (stream.pending().find(" HTTP/1.1\r\n") != std::string::npos) {
    ledger_.violation("a request came after Connection: close: " + stream.pending().substr(0, 80));
  }
  co_return false;
}

// Sends the answer, as far as the fault lets it. True if all of it went out.
Task<bool> EchoService::send(PeerStream& stream, SocketAddress from, const Entry& entry, AnswerFault fault) {
  std::string head = head_of(entry, fault);
  std::string body = body_of(entry, fault);
  std::string text = head + body;
  if (fault == AnswerFault::slow) {
    bool sent = co_await stream.write_slowly(std::move(text), 200, kPause);
    co_return sent;
  }
  bool in_head = fault == AnswerFault::reset_in_head;
  bool breaks_body =
      fault == AnswerFault::reset_in_body || fault == AnswerFault::close_in_body || fault == AnswerFault::stall_in_body;
  bool in_body = breaks_body && has_answer_body(entry.plan);
  if (in_head) text.resize(head.size() / 2);
  if (in_body) text.resize(head.size() + body.size() / 2);
  bool until_close = entry.plan.answer.style == AnswerStyle::until_close;  // then they would be its body
  if (fault == AnswerFault::extra_bytes && !until_close) {
    ledger_.spoil(from, stream.sent_bytes() + text.size());
    text += "!!!\r\n\r\n";
  }
  bool sent = co_await stream.write(std::move(text));
  if (!in_head && !in_body) co_return sent;
  if (fault == AnswerFault::stall_in_body) {
    while (stream.end() == PeerEnd::open) co_await stream.fill();
  } else {
    co_await Sleep(reactor(), kPause);  // let it arrive: what is cut off is the rest
  }
  if (fault != AnswerFault::close_in_body) stream.socket().abort_on_close();
  co_return false;
}

}  // namespace lotagate::simulation
