#include "gateway/simulation/ledger.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "http/method.h"

namespace lotagate::simulation {
namespace {

constexpr int kMostAttempts = 2;

// The value of a member of a JSON line that holds no escapes.
std::string_view member(std::string_view line, std::string_view name) {
  auto at = line.find(fmt::format("\"{}\":", name));
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + name.size() + 3);
  if (line.starts_with('"')) {
    line.remove_prefix(1);
    return line.substr(0, line.find('"'));
  }
  return line.substr(0, line.find_first_of(",}"));
}

}  // namespace

Entry& Ledger::add(RequestPlan plan) {
  Entry& entry = entries_.emplace_back();
  entry.nonce = entries_.size();
  entry.plan = std::move(plan);
  return entry;
}

Entry* Ledger::find(std::uint64_t nonce) {
  return nonce >= 1 && nonce <= entries_.size() ? &entries_[nonce - 1] : nullptr;
}

Entry* Ledger::find_in(std::string_view path) {
  auto at = path.rfind("/n");
  if (at == std::string_view::npos) return nullptr;
  path.remove_prefix(at + 2);
  auto end = path.find('-');  // a path may have been cut
  if (end == std::string_view::npos) return nullptr;
  auto nonce = parse_decimal(path.substr(0, end));
  return nonce ? find(*nonce) : nullptr;
}

void Ledger::observe(const SimulatedSend& send) {
  if (!send.outgoing) return;
  // The first send of a request begins with its method; later ones carry bodies, which begin otherwise.
  auto space = send.bytes.find(' ');
  if (space == std::string_view::npos || !send.bytes.substr(space).starts_with(" /")) return;
  bool kept = !used_.insert(send.local).second;  // a fresh one may be closed before anybody could know
  if (kept && (send.unread > 0 || send.peer_closed)) {
    violation(fmt::format("a request went out on a connection that had {} unread bytes{}: {}", send.unread,
                          send.peer_closed ? " and an end" : "", send.bytes.substr(0, 60)));
  }
  auto spoiled = spoiled_.find(send.local);
  if (spoiled != spoiled_.end() && send.received > spoiled->second) {
    violation(fmt::format("a request went out on a connection that had brought its last answer, or more: {}",
                          send.bytes.substr(0, 60)));
  }
  if (unfinished_.contains(send.local)) {
    violation(
        fmt::format("a request went out on a connection whose last answer was not over: {}", send.bytes.substr(0, 60)));
  }
  Entry* entry = find_in(send.bytes.substr(0, send.bytes.find('?')));
  if (entry == nullptr) return;
  ++entry->departures;
  if (entry->departures > kMostAttempts) violation(fmt::format("request {} was sent a third time", entry->nonce));
  if (entry->departures > 1 && !http::is_idempotent(entry->plan.method)) {
    violation(
        fmt::format("request {} ({}) was repeated after bytes of it had gone out", entry->nonce, entry->plan.method));
  }
}

void Ledger::read_log(std::string_view lines) {
  while (!lines.empty()) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    auto status = static_cast<int>(parse_decimal(member(line, "status")).value_or(0));
    bool fresh = records_.try_emplace(std::string(member(line, "request_id")), status).second;
    if (!fresh) violation(fmt::format("two log records of one request: {}", line));
    Entry* entry = find_in(member(line, "path"));
    if (entry != nullptr) ++entry->lines;  // null: a head that could not be read
  }
}

void Ledger::check(nanoseconds elapsed) {
  for (const Entry& entry : entries_) check(entry);
  if (!other_limits_) check_limits(elapsed);
}

void Ledger::left_unanswered(const Entry& entry) {
  if (!unanswered_) violation(fmt::format("request {} was dropped without an answer", entry.nonce));
}

// The limits of simulated_config(): a full bucket, what was refilled meanwhile, and one for rounding.
void Ledger::check_limits(nanoseconds elapsed) {
  double seconds_passed = std::chrono::duration<double>(elapsed).count();
  std::map<std::string, int> by_address;
  std::map<std::string, int> by_user;
  for (const Entry& entry : entries_) {
    if (entry.departures == 0) continue;
    if (entry.plan.route == "/limited") ++by_address[entry.from];
    if (entry.plan.route == "/things") ++by_user[entry.plan.subject];
  }
  for (const auto& [address, count] : by_address) {
    if (count > 5 + 1.0 * seconds_passed + 1) violation(fmt::format("{} passed the limit: {}", address, count));
  }
  for (const auto& [user, count] : by_user) {
    if (count > 10 + 10.0 * seconds_passed + 1) violation(fmt::format("{} passed the limit: {}", user, count));
  }
}

void Ledger::check(const Entry& entry) {
  auto wrong = [&](std::string_view what) {
    violation(fmt::format("request {} ({} {} fault {} answer {}): {}", entry.nonce, entry.plan.method, entry.plan.route,
                          static_cast<int>(entry.plan.fault), to_query(entry.plan.answer), what));
  };
  if (entry.lines > 1) wrong(fmt::format("{} log records", entry.lines));
  bool handled = entry.arrivals > 0 || entry.departures > 0;
  if (handled && entry.lines == 0) wrong("no log record");
  if (entry.lines > 0 && !entry.sent) wrong("a log record of a request that was never sent");
  if (entry.outcome != Outcome::whole) return;
  auto record = records_.find(entry.request_id);
  if (record == records_.end()) return wrong("no log record of its answer");
  if (record->second != entry.status) {
    wrong(fmt::format("the client saw status {}, the log says {}", entry.status, record->second));
  }
  bool of_service = entry.code.empty();
  if (of_service && !entry.served) wrong(fmt::format("an answer ({}) that no service gave", entry.status));
  bool relayed = of_service || entry.code == "upstream_error";
  if (relayed && entry.status != entry.plan.answer.status) wrong(fmt::format("status {}", entry.status));
  bool may_look_whole = early_ends_ && entry.plan.answer.style == AnswerStyle::until_close;
  if (of_service && !can_be_whole(entry.plan) && !may_look_whole) wrong("a broken answer looked whole");
}

}  // namespace lotagate::simulation
