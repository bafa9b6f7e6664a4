#include "gateway/simulation/client.h"

#include <fmt/core.h>

#include "base/text.h"

namespace lotagate::simulation {
namespace {

// Longer than any deadline of the gateway in these tests: whoever waits so long has been forgotten.
constexpr seconds kPatience{60};

bool has_body(const Entry& entry, int status) { return entry.plan.method != "HEAD" && status != 204 && status != 304; }

}  // namespace

Client::Client(Reactor& reactor, SimulatedBackend& backend, SocketAddress gateway, Ledger& ledger, ClientPlan plan)
    : reactor_(reactor), backend_(backend), gateway_(gateway), ledger_(ledger), plan_(std::move(plan)) {
  for (const RequestPlan& request : plan_.requests) {
    entries_.push_back(&ledger_.add(request));
    if (plan_.from) entries_.back()->from = to_string(*plan_.from);
  }
}

void Client::start() { spawn(*this, run()); }

Task<void> Client::run() {
  co_await Sleep(reactor_, plan_.before);
  if (plan_.pipelined) {
    co_await pipeline();
  } else {
    co_await one_by_one();
  }
  stream_.reset();
  ended_ = true;
}

Task<void> Client::one_by_one() {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = *entries_[i];
    if (i > 0 && plan_.between > nanoseconds(0)) co_await Sleep(reactor_, plan_.between);
    if (!stream_) {
      bool opened = co_await open();
      if (!opened) continue;
    }
    entry.sent = true;
    std::string wire = to_wire(entry.plan, entry.nonce);
    co_await send(wire);
    if (plan_.reset_after && sent_ >= *plan_.reset_after) {
      entry.abandoned = true;
      stream_->socket().abort_on_close();
      stream_.reset();
      continue;
    }
    if (plan_.half_close && i + 1 == entries_.size()) stream_->socket().shutdown_write();
    if (plan_.never_reads) {
      entry.abandoned = true;
      co_await abandon();
      continue;
    }
    bool keep = co_await receive(entry);  // also when not all could be sent: there may be an answer
    if (!keep) stream_.reset();
  }
}

Task<void> Client::pipeline() {
  bool opened = co_await open();
  if (!opened) co_return;
  std::string wire;
  for (Entry* entry : entries_) {
    entry->sent = true;
    wire += to_wire(entry->plan, entry->nonce);
  }
  co_await send(wire);
  if (plan_.half_close) stream_->socket().shutdown_write();
  bool early = false;  // the answer before came before its request's body: the gateway may have had to end there
  for (Entry* entry : entries_) {
    bool keep = co_await receive(*entry);
    bool left = entry->outcome == Outcome::none && stream_->end() == PeerEnd::closed && !plan_.reset_after && !early;
    if (left) ledger_.left_unanswered(*entry);
    early = entry->plan.answer.fault == AnswerFault::early || entry->plan.answer.fault == AnswerFault::early_close;
    if (!keep) co_return;
  }
}

Task<bool> Client::open() {
  if (plan_.from) backend_.set_source(*plan_.from);
  sent_ = 0;
  auto handle = backend_.connect(gateway_);
  if (!handle) co_return false;
  stream_ = std::make_unique<PeerStream>(reactor_, *handle, kPatience);
  bool connected = co_await stream_->connected();
  if (!connected) stream_.reset();
  co_return connected;
}

Task<bool> Client::send(const std::string& bytes) {
  std::string part = bytes;
  if (plan_.reset_after) part.resize(std::min(part.size(), *plan_.reset_after - std::min(sent_, *plan_.reset_after)));
  sent_ += part.size();
  bool sent;
  if (plan_.piece_bytes == 0) {
    sent = co_await stream_->write(std::move(part));
  } else {
    sent = co_await stream_->write_slowly(std::move(part), plan_.piece_bytes, plan_.pause);
  }
  co_return sent;
}

Task<bool> Client::receive(Entry& entry) {
  std::size_t before = stream_->received_bytes() - stream_->pending().size();
  auto head = co_await receive_final_head(entry);
  if (!head) {
    bool anything = stream_->received_bytes() > before;
    if (anything) cut(entry);
    if (forgotten()) {
      ledger_.violation(fmt::format("request {} ({} {}{}) was forgotten", entry.nonce, entry.plan.method,
                                    entry.plan.route, to_query(entry.plan.answer)));
    }
    co_return false;
  }
  Answer answer{.head = std::move(*head), .body = {}};
  answer.status = static_cast<int>(parse_decimal(answer.head.first_line.substr(9, 3)).value_or(0));
  const std::string* connection = answer.head.only("connection");
  bool keep = (connection == nullptr || *connection != "close") && !entry.plan.old_version;
  bool whole;
  if (answer.status == 101) {
    keep = false;
    whole = co_await tunnel(entry, answer);
  } else {
    whole = co_await receive_body(entry, answer, keep);
    if (entry.plan.upgrade) keep = false;  // what went out behind the head was meant for a tunnel
  }
  if (whole) {
    judge(entry, answer);
  } else {
    cut(entry);
    keep = false;
    if (forgotten()) ledger_.violation(fmt::format("answer {} never ended", entry.nonce));
    const std::string* type = answer.head.only("content-type");
    bool ours = answer.status == 101 || type == nullptr || *type != "text/plain" ||
                body_piece('a', entry.nonce, 0, stream_->pending().size()).starts_with(stream_->pending()) ||
                answer.head.only("transfer-encoding") != nullptr;
    if (!ours) ledger_.violation(fmt::format("the cut answer to request {} is mixed", entry.nonce));
  }
  last_body_ = std::move(answer.body);
  co_return keep;
}

// Interim answers are skipped, as RFC 9110 15.2 asks of every client.
Task<std::optional<PeerHead>> Client::receive_final_head(const Entry& entry) {
  while (true) {
    auto text = co_await stream_->read_head();
    if (!text) co_return std::nullopt;
    auto head = parse_peer_head(*text);
    bool good = head && head->first_line.starts_with("HTTP/1.1 ") && head->first_line.size() >= 13;
    if (!good) {
      ledger_.violation(fmt::format("the answer to request {} is no HTTP: {}", entry.nonce, text->substr(0, 200)));
      co_return std::nullopt;
    }
    bool interim = head->first_line.starts_with("HTTP/1.1 1") && !head->first_line.starts_with("HTTP/1.1 101");
    if (!interim) co_return head;
  }
}

// The bytes of the other side, then both ends.
Task<bool> Client::tunnel(const Entry& entry, Answer& answer) {
  auto body = co_await stream_->read_exactly(entry.plan.answer.bytes);
  if (!body) co_return false;
  answer.body = std::move(*body);
  stream_->socket().shutdown_write();
  while (stream_->end() == PeerEnd::open) co_await stream_->fill();
  co_return stream_->end() == PeerEnd::closed && stream_->pending().empty();
}

Task<bool> Client::receive_body(const Entry& entry, Answer& answer, bool& keep) {
  if (!has_body(entry, answer.status)) co_return true;
  std::optional<std::string> body;
  const std::string* length = answer.head.only("content-length");
  if (answer.head.only("transfer-encoding") != nullptr) {
    body = co_await stream_->read_chunks();
  } else if (length != nullptr) {
    body = co_await stream_->read_exactly(parse_decimal(*length).value_or(0));
  } else {
    bool more = true;
    while (more) {
      more = co_await stream_->fill();
    }
    keep = false;
    if (stream_->end() == PeerEnd::closed) body = stream_->pending();
  }
  if (body) answer.body = std::move(*body);
  co_return body.has_value();
}

void Client::judge(Entry& entry, const Answer& answer) {
  auto wrong = [&](std::string_view what) {
    ledger_.violation(fmt::format("the answer to request {} ({} {}{}, status {}): {}", entry.nonce, entry.plan.method,
                                  entry.plan.route, to_query(entry.plan.answer), answer.status, what));
  };
  entry.outcome = Outcome::whole;
  entry.status = answer.status;
  const std::string* id = answer.head.only("x-request-id");
  if (id == nullptr) {
    wrong("has no X-Request-Id");
  } else {
    entry.request_id = *id;
  }
  const std::string* nonce = answer.head.only("x-nonce");
  if (nonce != nullptr && *nonce != std::to_string(entry.nonce)) wrong("is that of request " + *nonce);
  const std::string* type = answer.head.only("content-type");
  bool problem = type != nullptr && *type == "application/problem+json";
  if (problem) {
    auto at = answer.body.find("\"code\":\"");
    if (at != std::string::npos) entry.code = answer.body.substr(at + 8, answer.body.find('"', at + 8) - at - 8);
    if (entry.code.empty()) entry.code = entry.plan.method == "HEAD" ? "unknown" : "";
    if (entry.code.empty()) wrong("is an error without a code");
    return;
  }
  if (nonce == nullptr) return wrong("is not of the service and not an error of the gateway");
  if (!has_body(entry, answer.status)) return;
  std::string expected = body_piece('a', entry.nonce, 0, entry.plan.answer.bytes);
  bool may_be_short = entry.plan.answer.style == AnswerStyle::until_close &&
                      (entry.plan.answer.fault == AnswerFault::close_in_body || ledger_.early_ends()) &&
                      expected.starts_with(answer.body);
  if (answer.body != expected && !may_be_short) wrong("has another body");
}

// Nothing came for a long time, and that was not the network's fault.
bool Client::forgotten() const {
  return stream_->end() == PeerEnd::too_slow && !backend_.is_stalled(stream_->socket().handle());
}

void Client::cut(Entry& entry) { entry.outcome = Outcome::cut; }

// Takes nothing for a while, and goes.
Task<void> Client::abandon() {
  co_await Sleep(reactor_, seconds(20));
  stream_->socket().abort_on_close();
  stream_.reset();
}

}  // namespace lotagate::simulation
