// PostgreSQL: one database for any number of instances.
#include <fmt/format.h>
#include <libpq-fe.h>

#include <charconv>
#include <cstring>
#include <unordered_map>

#include "common/backend.h"
#include "common/postgres_wire.h"
#include "common/startup_error.h"

namespace lotagate::services {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStatementTime(7000);

// Held by whoever changes something alone, until its transaction has ended ("lotagate" in ASCII, as one number). A lock
// is released after the commit can be seen, so the next holder's statements, each of which looks anew (READ COMMITTED),
// see all that was done before.
constexpr auto kBeginAlone = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(7813591840206189669)";
constexpr auto kBeginRows = "BEGIN ISOLATION LEVEL READ COMMITTED";
constexpr auto kBeginRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

const char* begin_of(Database::Mode mode) {
  switch (mode) {
    case Database::Mode::kAlone: return kBeginAlone;
    case Database::Mode::kRows: return kBeginRows;
    case Database::Mode::kRead: return kBeginRead;
  }
  return kBeginAlone;
}

// `?` outside of quoted texts becomes $1, $2, ...
std::string numbered(std::string_view sql) {
  std::string out;
  int count = 0;
  bool quoted = false;
  for (char c : sql) {
    if (c == '\'') quoted = !quoted;
    if (c == '?' && !quoted) {
      out += fmt::format("${}", ++count);
    } else {
      out += c;
    }
  }
  return out;
}

class PostgresCursor final : public Cursor {
 public:
  explicit PostgresCursor(PostgresResult result) : result_(std::move(result)) {}

  bool next() override { return ++row_ < PQntuples(result_.get()); }

  std::string text(int column) const override { return std::string(cell(column)); }

  std::int64_t integer(int column) const override {
    auto digits = cell(column);
    if (digits == "t") return 1;  // a comparison's outcome
    return number<std::int64_t>(digits);
  }

  double real(int column) const override { return number<double>(cell(column)); }
  bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) == 1; }

 private:
  std::string_view cell(int column) const {
    return {PQgetvalue(result_.get(), row_, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row_, column))};
  }

  // 0 for NULL and for what is no number, as SQLite has it.
  template <typename Number>
  static Number number(std::string_view text) {
    Number value{};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  PostgresResult result_;
  int row_ = -1;
};

class PostgresConnection final : public BackendConnection {
 public:
  explicit PostgresConnection(const std::string& url) : wire_(url) {}

  void begin(Database::Mode mode) override {
    wire_.others_write = mode == Database::Mode::kRows;
    wire_.script(begin_of(mode), kStatementTime);
  }

  void commit() override {
    wire_.committing = true;
    PostgresResult result = wire_.script("COMMIT", kStatementTime);
    wire_.committing = false;
    // A transaction in which a statement failed "commits" by rolling back.
    if (std::strcmp(PQcmdStatus(result.get()), "COMMIT") != 0) {
      throw std::runtime_error("a transaction that had failed was to be committed");
    }
  }

  bool roll_back() noexcept override {
    if (wire_.broken()) return false;
    try {
      wire_.committing = false;
      if (wire_.in_transaction()) wire_.script("ROLLBACK", kStatementTime);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  std::unique_ptr<Cursor> query(std::string_view sql, std::span<const Bound> values) override {
    return std::make_unique<PostgresCursor>(wire_.run_prepared(prepared(sql, values), values));
  }

  std::int64_t run(std::string_view sql, std::span<const Bound> values) override {
    PostgresResult result = wire_.run_prepared(prepared(sql, values), values);
    std::int64_t rows = 0;
    std::string_view count = PQcmdTuples(result.get());
    std::from_chars(count.data(), count.data() + count.size(), rows);
    return rows;
  }

  void script(std::string_view sql) override {
    wire_.script("SET LOCAL statement_timeout = 0;" + std::string(sql), std::nullopt);
  }

 private:
  const std::string& prepared(std::string_view sql, std::span<const Bound> values) {
    auto known = statements_.find(sql);
    if (known != statements_.end()) return known->second;
    std::string name = fmt::format("s{}", statements_.size());
    wire_.prepare(name, numbered(sql), values);
    return statements_.emplace(sql, std::move(name)).first->second;
  }

  PostgresWire wire_;
  // The keys are the literals that the services pass, which live as long as the process.
  std::unordered_map<std::string_view, std::string> statements_;
};

using ConnectionInfo = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

class PostgresBackend final : public Backend {
 public:
  explicit PostgresBackend(std::string url) : url_(std::move(url)), name_(name_of(url_)) {}

  std::unique_ptr<BackendConnection> connect() override { return std::make_unique<PostgresConnection>(url_); }
  std::string name() const override { return name_; }

 private:
  static std::string name_of(const std::string& url) {
    // Its message could quote the password.
    ConnectionInfo info(PQconninfoParse(url.c_str(), nullptr), PQconninfoFree);
    if (info == nullptr) {
      throw StartupError("the database's URL is not postgresql://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?OPTIONS]");
    }
    std::string host;
    std::string port;
    std::string database;
    for (const auto* option = info.get(); option->keyword != nullptr; ++option) {
      std::string_view keyword = option->keyword;
      std::string value = option->val == nullptr ? "" : option->val;
      if (keyword == "host") host = value;
      if (keyword == "port") port = value;
      if (keyword == "dbname") database = value;
    }
    return fmt::format("postgresql://{}{}{}/{}", host, port.empty() ? "" : ":", port, database);
  }

  const std::string url_;
  const std::string name_;
};

}  // namespace

bool is_postgres_url(std::string_view location) {
  return location.starts_with("postgresql://") || location.starts_with("postgres://");
}

std::unique_ptr<Backend> open_postgres(const std::string& url) { return std::make_unique<PostgresBackend>(url); }

}  // namespace lotagate::services
