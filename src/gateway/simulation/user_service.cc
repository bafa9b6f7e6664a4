#include <fmt/core.h>

#include "gateway/simulation/server.h"

namespace lotagate::simulation {
namespace {

constexpr std::string_view kPrefix = "GET /internal/v1/users/";
constexpr std::string_view kSuffix = "/access HTTP/1.1";

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

}  // namespace

// user-*: may things:read and things:write; weak: nothing; disabled; anybody else is unknown.
Task<void> UserService::serve(PeerStream& stream, SocketAddress from) {
  while (true) {
    auto text = co_await stream.read_head();
    if (!text) break;
    auto head = parse_peer_head(*text);
    bool good = head && head->first_line.starts_with(kPrefix) && head->first_line.ends_with(kSuffix) &&
                head->count("authorization") == 1;
    if (!good) {
      ledger_.violation("the User Management Service got what is no look-up: " + text->substr(0, 200));
      break;
    }
    std::string subject = head->first_line.substr(kPrefix.size());
    subject.resize(subject.size() - kSuffix.size());
    ++answers_;
    ledger_.exchange_began(from);
    if (random_.chance(faults_permille_)) {
      co_await answer_badly(stream, from, subject);
      break;
    }
    bool known = subject.starts_with("user") || subject == "weak" || subject == "disabled";
    std::string answer = known ? whole("200 OK", access_of(subject)) : whole("404 Not Found", "{}");
    bool sent = co_await stream.write(std::move(answer));
    if (!sent) break;
    ledger_.exchange_ended(from);
  }
  ledger_.exchange_ended(from);
}

Task<void> UserService::answer_badly(PeerStream& stream, SocketAddress from, const std::string& subject) {
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
    case 5: text = whole("200 OK", access_of(subject)).substr(0, 150); break;
    default: text = "garbage\r\n\r\n"; break;
  }
  co_await stream.write(std::move(text));
  if (whole_answer) ledger_.exchange_ended(from);
  stream.socket().shutdown_write();
}

}  // namespace lotagate::simulation
