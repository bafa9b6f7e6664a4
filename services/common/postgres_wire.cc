#include "common/postgres_wire.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

#include "common/backend.h"
#include "common/startup_error.h"

namespace lotagate::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The server ends a statement after 5 s and a wait for a lock after 3 s (kSession below). A server that is stopped or
// unreachable does neither, so this side stops waiting a little later.
constexpr milliseconds kStatementTime(7000);
constexpr int kOldestServer = 130000;  // what Debian 11 has

// idle_in_transaction...: an instance that hangs in a transaction must not hold up the others for ever.
// synchronous_commit: whatever the server's default says, an answered change is on disk.
constexpr auto kSession = R"sql(
SET statement_timeout = '5s';
SET lock_timeout = '3s';
SET idle_in_transaction_session_timeout = '10s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
)sql";

constexpr Oid kInt8 = 20;
constexpr Oid kFloat8 = 701;
constexpr Oid kServerDecides = 0;

Oid type_of(const Bound& value) {
  if (std::holds_alternative<std::int64_t>(value)) return kInt8;
  if (std::holds_alternative<double>(value)) return kFloat8;
  return kServerDecides;
}

// Values in PostgreSQL's text form, and the pointers that libpq takes.
class TextValues {
 public:
  explicit TextValues(std::span<const Bound> values) {
    texts_.reserve(values.size());  // pointers_ points into them
    for (const Bound& value : values) add(value);
  }
  int count() const { return static_cast<int>(pointers_.size()); }
  const char* const* pointers() const { return pointers_.data(); }

 private:
  void add(const Bound& value) {
    if (std::holds_alternative<std::nullptr_t>(value)) {
      pointers_.push_back(nullptr);
      return;
    }
    if (auto* number = std::get_if<std::int64_t>(&value)) texts_.push_back(std::to_string(*number));
    if (auto* real = std::get_if<double>(&value)) texts_.push_back(shortest(*real));
    if (auto* text = std::get_if<std::string_view>(&value)) texts_.emplace_back(*text);
    pointers_.push_back(texts_.back().c_str());
  }
  static std::string shortest(double number) {
    std::array<char, 32> digits;
    auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return {digits.data(), end};
  }

  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
};

// libpq's messages end in a line feed and may have several lines.
std::string one_line(std::string_view message) {
  while (message.ends_with('\n')) message.remove_suffix(1);
  std::string line;
  for (char c : message) line += c == '\n' ? std::string("; ") : std::string(1, c);
  return line;
}

// What libpq is told: defaults, which the URL may override, then the URL, then what it may not.
struct ConnectWords {
  explicit ConnectWords(const std::string& url)
      : values{"3", "7000", "10", "5", "lotagate-users", url.c_str(), "UTF8", nullptr} {}

  static constexpr std::array<const char*, 8> kNames{
      "connect_timeout",  "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
      "application_name", "dbname",           "client_encoding", nullptr};
  std::array<const char*, 8> values;
};

PGconn* connect(const std::string& url) {
  ConnectWords words(url);
  return PQconnectdbParams(ConnectWords::kNames.data(), words.values.data(), 1);
}

// A server that answers and still does not let us in says what somebody has to change.
[[noreturn]] void fail_connect(PGconn* connection, const std::string& url) {
  std::string message = one_line(PQerrorMessage(connection));
  PQfinish(connection);
  ConnectWords words(url);
  PGPing state = PQpingParams(ConnectWords::kNames.data(), words.values.data(), 1);
  if (state == PQPING_OK || state == PQPING_NO_ATTEMPT) throw StartupError(message);
  throw DatabaseUnavailable(message);
}

bool starts(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  for (auto prefix : prefixes) {
    if (text.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

void FreePostgresResult::operator()(pg_result* result) const { PQclear(result); }

PostgresWire::PostgresWire(const std::string& url) : connection_(connect(url)) {
  if (PQstatus(connection_) != CONNECTION_OK) fail_connect(connection_, url);
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);  // "already exists, skipping" is no news
  try {
    std::string_view encoding = PQparameterStatus(connection_, "server_encoding");
    if (encoding != "UTF8") throw StartupError(fmt::format("the database's encoding is {}, not UTF8", encoding));
    if (PQserverVersion(connection_) < kOldestServer) throw StartupError("PostgreSQL 13 or later is needed");
    script(kSession, kStatementTime);
  } catch (...) {
    PQfinish(connection_);
    throw;
  }
}

PostgresWire::~PostgresWire() { PQfinish(connection_); }

bool PostgresWire::broken() const { return timed_out_ || PQstatus(connection_) != CONNECTION_OK; }
bool PostgresWire::in_transaction() const { return PQtransactionStatus(connection_) != PQTRANS_IDLE; }

PostgresResult PostgresWire::script(const std::string& sql, std::optional<milliseconds> time) {
  if (PQsendQuery(connection_, sql.c_str()) != 1) lost(PQerrorMessage(connection_));
  return finish(time);
}

void PostgresWire::prepare(const std::string& name, const std::string& sql, std::span<const Bound> values) {
  std::vector<Oid> types;
  for (const Bound& value : values) types.push_back(type_of(value));
  int sent = PQsendPrepare(connection_, name.c_str(), sql.c_str(), static_cast<int>(types.size()), types.data());
  if (sent != 1) lost(PQerrorMessage(connection_));
  finish(kStatementTime);
}

PostgresResult PostgresWire::run_prepared(const std::string& name, std::span<const Bound> values) {
  TextValues texts(values);
  int sent = PQsendQueryPrepared(connection_, name.c_str(), texts.count(), texts.pointers(), nullptr, nullptr, 0);
  if (sent != 1) lost(PQerrorMessage(connection_));
  return finish(kStatementTime);
}

// Reads until a result is whole. libpq's own waiting has no end.
void PostgresWire::wait(std::optional<milliseconds> time) {
  auto deadline = steady_clock::now() + time.value_or(milliseconds(0));
  while (PQisBusy(connection_) == 1) {
    int rest = -1;
    if (time) rest = static_cast<int>(std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count());
    if (time && rest <= 0) {
      timed_out_ = true;
      if (committing) throw CommitUnknown("the database did not confirm a commit in time");
      throw DatabaseUnavailable("the database did not answer in time");
    }
    pollfd waiting{PQsocket(connection_), POLLIN, 0};
    if (::poll(&waiting, 1, rest) < 0 && errno != EINTR) lost("poll failed");
    if (PQconsumeInput(connection_) != 1) lost(PQerrorMessage(connection_));
  }
}

PostgresResult PostgresWire::finish(std::optional<milliseconds> time) {
  PostgresResult last;
  PostgresResult failed;
  while (true) {
    wait(time);
    PostgresResult result(PQgetResult(connection_));
    if (result == nullptr) break;
    auto status = PQresultStatus(result.get());
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good && failed == nullptr) failed = std::move(result);
    if (good) last = std::move(result);
  }
  if (failed != nullptr) fail(failed.get());
  if (last == nullptr) lost("no result");
  return last;
}

void PostgresWire::lost(std::string_view why) const {
  if (committing) throw CommitUnknown("the connection broke during a commit: " + one_line(why));
  throw ConnectionLost(one_line(why));
}

// The classes of PostgreSQL's error codes (its manual, appendix A).
void PostgresWire::fail(const pg_result* result) const {
  const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  std::string_view state = code == nullptr ? "" : code;
  std::string message = one_line(PQresultErrorMessage(result));
  if (broken() || state.empty()) lost(message);
  if (starts(state, {"40001", "40P01"})) throw TransactionConflict(message);
  if (state == "23505" && others_write) throw TransactionConflict(message);
  // The session is ending, the server is a replica now, or another instance's migration changed a table that a
  // prepared statement knows: another connection will do.
  if (starts(state, {"08", "57P", "25P03", "25006", "0A000"})) lost(message);
  // Too long for a statement or a lock; no memory, disk or connection left; the operating system failed.
  if (starts(state, {"57014", "55P03", "53", "58"})) throw DatabaseUnavailable(message);
  if (starts(state, {"22021", "22P05"})) throw UnstorableText(message);
  throw std::runtime_error(message);
}

}  // namespace lotagate::services
