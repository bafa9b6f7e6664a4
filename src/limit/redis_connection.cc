#include "limit/redis_connection.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace lotagate::limit {
namespace {

timeval as_timeval(milliseconds time) {
  return {.tv_sec = static_cast<time_t>(time.count() / 1000),
          .tv_usec = static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

// An exchange is many answers; each has `timeout` from the one before it, all have these.
constexpr int kTimeoutsOfAnExchange = 4;
// A read is 16 KiB at most. The largest answer asked for is CLUSTER SLOTS, with its 16384 slots about 2 MiB.
constexpr int kMostReadsOfAnAnswer = 256;
constexpr int kMostElements = 16384;

// hiredis reserves room for as many elements as an answer says it has: up to 16 GiB for eleven bytes.
struct ReplyFunctions {
  redisReplyObjectFunctions original, bounded;
};

ReplyFunctions& reply_functions(const redisReader* reader);

ReplyFunctions bounded(const redisReplyObjectFunctions& original) {
  ReplyFunctions functions{.original = original, .bounded = original};
  functions.bounded.createArray = [](const redisReadTask* task, auto count) -> void* {
    return count > kMostElements ? nullptr : reply_functions(nullptr).original.createArray(task, count);
  };
  return functions;
}

// Those of the first reader, which all readers have; never written again. Without a reader: after the first.
ReplyFunctions& reply_functions(const redisReader* reader) {
  static ReplyFunctions functions = bounded(*reader->fn);
  return functions;
}

void bound_arrays(redisReader& reader) { reader.fn = &reply_functions(&reader).bounded; }

}  // namespace

void RedisReply::free_reply(redisReply* reply) { freeReplyObject(reply); }

bool RedisReply::is_error() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ERROR; }

std::string_view RedisReply::text() const {
  if (reply_ == nullptr || reply_->str == nullptr) return {};
  return {reply_->str, static_cast<std::size_t>(reply_->len)};
}

std::int64_t RedisReply::integer() const {
  return reply_ != nullptr && reply_->type == REDIS_REPLY_INTEGER ? reply_->integer : 0;
}

std::size_t RedisReply::size() const {
  return reply_ != nullptr && reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0;
}

RedisReply RedisReply::at(std::size_t index) const {
  return index < size() ? RedisReply(reply_->element[index], &keep_reply) : RedisReply();
}

std::string error_summary(std::string_view error) {
  error = error.substr(0, error.find_first_of("`'\"\r\n"));
  error = error.substr(0, error.find(", with args"));
  error = error.substr(0, 120);
  while (error.ends_with(' ')) error.remove_suffix(1);
  std::string summary(error);
  std::ranges::replace_if(summary, [](char c) { return c < ' ' || c > '~'; }, '?');
  return summary;
}

redisReader* bounded_reader() {
  redisReader* reader = redisReaderCreate();
  if (reader != nullptr) bound_arrays(*reader);
  return reader;
}

std::expected<std::unique_ptr<RedisConnection>, std::string> RedisConnection::connect(const StoreAddress& address,
                                                                                      const StoreSettings& settings) {
  redisContext* context = redisConnectWithTimeout(address.host.c_str(), address.port, as_timeval(settings.timeout));
  if (context == nullptr) return std::unexpected("out of memory");
  std::unique_ptr<RedisConnection> connection(new RedisConnection(context, settings.timeout));
  if (context->err != 0) {
    connection->note_failure();
    return std::unexpected(connection->error());
  }
  redisSetTimeout(context, as_timeval(settings.timeout));
  redisEnableKeepAlive(context);
  if (auto greeted = connection->greet(settings); !greeted) return std::unexpected(greeted.error());
  return connection;
}

std::expected<void, std::string> RedisConnection::greet(const StoreSettings& settings) {
  std::vector<std::vector<std::string>> commands;
  if (!settings.user.empty()) {
    commands.push_back({"AUTH", settings.user, settings.password});
  } else if (!settings.password.empty()) {
    commands.push_back({"AUTH", settings.password});
  }
  if (settings.database != 0) commands.push_back({"SELECT", fmt::format("{}", settings.database)});
  for (const auto& words : commands) {
    const std::vector<std::string_view> arguments(words.begin(), words.end());
    const RedisReply reply = command(arguments);
    if (!reply) return std::unexpected(error());
    if (!reply.is_error()) continue;
    std::string why = error_summary(reply.text());
    // Not every server that speaks the protocol quotes what it repeats.
    if (!settings.password.empty() && why.contains(settings.password)) why = "refused";
    return std::unexpected(fmt::format("{}: {}", words[0], why));
  }
  return {};
}

RedisConnection::RedisConnection(redisContext* context, milliseconds timeout) : context_(context), timeout_(timeout) {
  bound_arrays(*context->reader);
}

RedisConnection::~RedisConnection() { redisFree(context_); }

void RedisConnection::append(std::span<const std::string_view> arguments) {
  std::array<const char*, 24> words{};
  std::array<std::size_t, 24> lengths{};
  const std::size_t count = std::min(arguments.size(), words.size());
  for (std::size_t i = 0; i < count; ++i) {
    words[i] = arguments[i].data();
    lengths[i] = arguments[i].size();
  }
  unsent_ = true;
  if (redisAppendCommandArgv(context_, static_cast<int>(count), words.data(), lengths.data()) != REDIS_OK) {
    note_failure();
  }
}

bool RedisConnection::flush() {
  if (!std::exchange(unsent_, false)) return !broken();
  const MonotonicTime begin = std::chrono::steady_clock::now();
  exchange_end_ = begin + kTimeoutsOfAnExchange * timeout_;
  for (int done = 0; !broken() && done == 0;) {
    if (redisBufferWrite(context_, &done) != REDIS_OK) {
      note_failure();
    } else if (done == 0 && std::chrono::steady_clock::now() > begin + timeout_) {
      fail("timed out", true);
    }
  }
  return !broken();
}

RedisReply RedisConnection::read() {
  if (broken() || !flush()) return {};
  const MonotonicTime end = std::min(std::chrono::steady_clock::now() + timeout_, exchange_end_);
  for (int reads = 0;; ++reads) {
    void* reply = nullptr;
    if (redisGetReplyFromReader(context_, &reply) != REDIS_OK) break;
    if (reply != nullptr) return RedisReply(static_cast<redisReply*>(reply));
    if (reads == kMostReadsOfAnAnswer) {
      fail("an answer without an end", false);
      return {};
    }
    if (!wait_for_bytes(end)) return {};
    if (redisBufferRead(context_) != REDIS_OK) break;
  }
  note_failure();
  return {};
}

// Past the end, too, what has come already is taken: it may be this thread that was late.
bool RedisConnection::wait_for_bytes(MonotonicTime end) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
    pollfd wanted{.fd = context_->fd, .events = POLLIN, .revents = 0};
    const int ready = poll(&wanted, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready < 0 && errno == EINTR) continue;
    fail("timed out", true);
    return false;
  }
}

RedisReply RedisConnection::command(std::span<const std::string_view> arguments) {
  append(arguments);
  return read();
}

bool RedisConnection::broken() const { return failed_ || context_->err != 0; }

// errno is that of the failed call: hiredis 0.14 reports a read past SO_RCVTIMEO as EAGAIN.
void RedisConnection::note_failure() {
  const int code = errno;
  failed_ = true;
  timed_out_ = context_->err == REDIS_ERR_IO && (code == EAGAIN || code == EWOULDBLOCK || code == ETIMEDOUT);
}

void RedisConnection::fail(std::string_view why, bool timed_out) {
  failed_ = true;
  timed_out_ = timed_out;
  why_ = why;
}

std::string RedisConnection::error() const {
  if (timed_out_) return "timed out";
  if (!why_.empty()) return std::string(why_);
  return error_summary(context_->err != 0 ? context_->errstr : "out of memory");
}

}  // namespace lotagate::limit
