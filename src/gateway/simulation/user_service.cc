#include <fmt/core.h>

#include "access/api_key.h"
#include "gateway/simulation/server.h"

namespace lotagate::simulation {
namespace {

constexpr std::string_view kUserPrefix = "GET /internal/v1/users/";
constexpr std::string_view kUserSuffix = "/access HTTP/1.1";
constexpr std::string_view kKeyPrefix = "GET /internal/v1/api-keys/";
constexpr std::string_view kKeySuffix = " HTTP/1.1";

// What stands between the two; nothing if they do not stand there.
std::optional<std::string_view> between(std::string_view line, std::string_view prefix, std::string_view suffix) {
  bool fits = line.size() >= prefix.size() + suffix.size() && line.starts_with(prefix) && line.ends_with(suffix);
  if (!fits) return std::nullopt;
  return line.substr(prefix.size(), line.size() - prefix.size() - suffix.size());
}

bool is_known(std::string_view subject) {
  return subject.starts_with("user") || subject == "weak" || subject == "disabled";
}

std::string access_of(std::string_view subject) {
  bool may = subject.starts_with("user");
  return fmt::format(
      R"({{"subject":"{}","tenant":"t-1","plan":"pro","roles":["tester"],"permissions":[{}],"revision":1,"disabled":{}}})",
      subject, may ? R"("things:read","things:write")" : "", subject == "disabled");
}

std::string whole(std::string_view status, std::string_view body) {
  return fmt::format("HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", status,
                     body.size(), body);
}

std::string key_of(std::string_view owner) {
  return fmt::format(
      R"({{"key_id":"key-{}","subject":"{}","permissions":["*:*"],"revision":1,"disabled":false,"expires_at":4000000000}})",
      owner, owner);
}

}  // namespace

std::string api_key_of(std::string_view subject) { return fmt::format("lgk_{:k>43}", subject); }

UserService::UserService(Reactor& reactor, SocketAddress address, Ledger& ledger, std::uint64_t seed)
    : Server(reactor, address), ledger_(ledger), random_(seed) {
  for (const char* subject : {"user-1", "user-2", "user-3", "weak", "disabled"}) {
    key_owners_[std::string(access::ApiKeyDigest(api_key_of(subject)).text())] = subject;
  }
}

// user-*: may things:read and things:write; weak: nothing; disabled; anybody else is unknown.
std::optional<std::string> UserService::answer_to(const PeerHead& head) const {
  if (head.count("authorization") != 1) return std::nullopt;
  const std::string* host = head.only("host");
  if (host == nullptr || *host != to_string(address())) return std::nullopt;
  const std::string unknown = whole("404 Not Found", "{}");
  if (auto subject = between(head.first_line, kUserPrefix, kUserSuffix)) {
    return is_known(*subject) ? whole("200 OK", access_of(*subject)) : unknown;
  }
  if (auto digest = between(head.first_line, kKeyPrefix, kKeySuffix)) {
    auto owner = key_owners_.find(*digest);
    return owner != key_owners_.end() ? whole("200 OK", key_of(owner->second)) : unknown;
  }
  return std::nullopt;
}

Task<void> UserService::serve(PeerStream& stream, SocketAddress from) {
  while (true) {
    auto text = co_await stream.read_head();
    if (!text) break;
    auto head = parse_peer_head(*text);
    auto answer = head ? answer_to(*head) : std::nullopt;
    if (!answer) {
      ledger_.violation("the User Management Service got what is no look-up: " + text->substr(0, 200));
      break;
    }
    ++answers_;
    ledger_.exchange_began(from);
    if (random_.chance(faults_permille_)) {
      co_await answer_badly(stream, from, *answer);
      break;
    }
    bool sent = co_await send(stream, *std::move(answer));
    if (!sent) break;
    ledger_.exchange_ended(from);
  }
  ledger_.exchange_ended(from);
}

Task<bool> UserService::send(PeerStream& stream, std::string answer) {
  constexpr milliseconds kPause{100};
  if (delay_ > nanoseconds(0)) co_await Sleep(reactor(), delay_);
  if (manner_ == Manner::whole) co_return co_await stream.write(std::move(answer));
  std::size_t at_once = manner_ == Manner::trickles_body ? answer.find("\r\n\r\n") + 4 : 0;
  std::string rest = answer.substr(at_once);
  answer.resize(at_once);
  bool sent = co_await stream.write(std::move(answer));
  if (!sent) co_return false;
  co_return co_await stream.write_slowly(std::move(rest), 1, kPause);
}

Task<void> UserService::answer_badly(PeerStream& stream, SocketAddress from, const std::string& good_answer) {
  std::string text;
  bool whole_answer = false;
  switch (random_.below(7)) {
    case 0: stream.socket().abort_on_close(); co_return;
    case 1: co_return;
    case 2:
      while (stream.end() == PeerEnd::open) co_await stream.fill();
      co_return;
    case 3:
      text = whole("500 Internal Server Error", "{}");
      whole_answer = true;
      break;
    case 4:
      text = whole("200 OK", access_of("user-another"));  // a privilege of somebody else
      whole_answer = true;
      break;
    case 5: text = good_answer.substr(0, 75); break;
    default: text = "garbage\r\n\r\n"; break;
  }
  co_await stream.write(std::move(text));
  if (whole_answer) ledger_.exchange_ended(from);
  stream.socket().shutdown_write();
}

}  // namespace lotagate::simulation
