#include "limit/redis_connection.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <vector>

namespace lotagate::limit {
namespace {

timeval as_timeval(milliseconds time) {
  return {.tv_sec = static_cast<time_t>(time.count() / 1000),
          .tv_usec = static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

// The longest answer there is: of CLUSTER SLOTS, with every second slot at another node.
constexpr int kMostElements = 16384;
constexpr std::size_t kMostAnswerBytes = 4UZ * 1024 * 1024;

// hiredis makes room for as many elements as an array says it has. Whatever listens there may say two thousand million.
const redisReplyObjectFunctions* guarded(const redisReplyObjectFunctions& plain) {
  static const auto* const original = &plain;  // hiredis has one table for all connections
  static const redisReplyObjectFunctions functions = [] {
    redisReplyObjectFunctions copy = *original;
    copy.createArray = [](const redisReadTask* task, int elements) -> void* {
      return elements > kMostElements ? nullptr : original->createArray(task, elements);
    };
    return copy;
  }();
  return &functions;
}

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
  return std::string(error);
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
    if (reply.is_error()) return std::unexpected(fmt::format("{}: {}", words[0], error_summary(reply.text())));
  }
  return {};
}

RedisConnection::RedisConnection(redisContext* context, milliseconds timeout) : context_(context), timeout_(timeout) {
  if (context->reader != nullptr) {
    // Only read through: hiredis declares it without const.
    context->reader->fn = const_cast<redisReplyObjectFunctions*>(guarded(*context->reader->fn));
  }
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
  if (redisAppendCommandArgv(context_, static_cast<int>(count), words.data(), lengths.data()) != REDIS_OK) {
    note_failure();
  }
}

bool RedisConnection::flush() {
  int done = 0;
  while (!broken() && done == 0) {
    if (redisBufferWrite(context_, &done) != REDIS_OK) note_failure();
  }
  return !broken();
}

// By itself hiredis waits for each piece of an answer and takes any number of them: here an answer as a whole has a
// time and a size.
RedisReply RedisConnection::read() {
  if (!flush()) return {};
  const auto deadline = std::chrono::steady_clock::now() + timeout_;
  void* reply = nullptr;
  while (true) {
    if (redisGetReplyFromReader(context_, &reply) != REDIS_OK) break;
    if (reply != nullptr) return RedisReply(static_cast<redisReply*>(reply));
    const bool late = std::chrono::steady_clock::now() > deadline;
    if (late || context_->reader->len - context_->reader->pos > kMostAnswerBytes) {
      failed_ = true;
      timed_out_ = late;
      return {};
    }
    if (redisBufferRead(context_) != REDIS_OK) break;
  }
  note_failure();
  return {};
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

std::string RedisConnection::error() const {
  if (timed_out_) return "timed out";
  return error_summary(context_->err != 0 ? context_->errstr : "an answer too large");
}

}  // namespace lotagate::limit
