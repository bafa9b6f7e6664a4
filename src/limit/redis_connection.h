// One connection to one Redis server, with deadlines. hiredis stays behind this file.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "limit/shared_policy.h"

struct redisContext;
struct redisReader;
struct redisReply;

namespace lotagate::limit {

// An answer of the server. Empty if there was none.
class RedisReply {
 public:
  RedisReply() = default;
  explicit RedisReply(redisReply* reply) : reply_(reply, &free_reply) {}

  explicit operator bool() const { return reply_ != nullptr; }
  bool is_error() const;
  std::string_view text() const;           // of a string, a status or an error; else empty
  std::int64_t integer() const;            // of an integer; else 0
  std::size_t size() const;                // of an array; else 0
  RedisReply at(std::size_t index) const;  // a view that lives as long as this

 private:
  static void free_reply(redisReply* reply);
  static void keep_reply(redisReply*) {}
  RedisReply(redisReply* reply, void (*end)(redisReply*)) : reply_(reply, end) {}
  std::unique_ptr<redisReply, void (*)(redisReply*)> reply_{nullptr, &keep_reply};
};

// For one thread. Once broken() it stays so. Whoever answers is not trusted to be a Redis: an answer has a deadline as
// a whole, however it drips in, and a size that those of the commands used here are far below.
class RedisConnection {
 public:
  // Connects, authenticates and selects the database. The error is one line without a password.
  static std::expected<std::unique_ptr<RedisConnection>, std::string> connect(const StoreAddress& address,
                                                                              const StoreSettings& settings);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  void append(std::span<const std::string_view> arguments);
  bool flush();
  // The answer to the oldest command without one. Empty when the connection broke.
  RedisReply read();
  RedisReply command(std::span<const std::string_view> arguments);

  bool broken() const;
  bool timed_out() const { return timed_out_; }
  std::string error() const;  // why it broke

 private:
  RedisConnection(redisContext* context, milliseconds timeout);
  std::expected<void, std::string> greet(const StoreSettings& settings);
  bool wait_for_bytes(MonotonicTime end);
  void note_failure();
  void fail(std::string_view why, bool timed_out);

  redisContext* const context_;
  const milliseconds timeout_;
  MonotonicTime exchange_end_{};  // of all answers to what was written last
  bool unsent_ = false;
  bool failed_ = false;
  bool timed_out_ = false;
  std::string_view why_;  // it failed, if not hiredis says so
};

// The first words of a server's error, as visible ASCII: servers repeat arguments of commands they do not know.
std::string error_summary(std::string_view error);

// A parser of answers with the bounds of a connection's, for tests; redisReaderFree() frees it.
redisReader* bounded_reader();

}  // namespace lotagate::limit
