// Whatever something in Redis' place answers: as the answer of the lease script, of CLUSTER SLOTS, and as an error that
// redirects. The first line, up to a line feed, is the error; the rest is an answer in Redis' protocol.
#include <hiredis/hiredis.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "limit/lease.h"
#include "limit/lease_script.h"
#include "limit/redis_answers.h"

namespace lotagate::limit {
namespace {

const StoreAddress kFrom{.host = "127.0.0.1", .port = 6379};
const SharedPolicy kPolicy{.name = "p", .bucket = make_bucket_policy(10, 1e6).value(), .most_debt = 50};

void check_address(const StoreAddress& address) {
  LG_CHECK(address.port > 0 && !address.host.empty() && address.host.size() <= 253, "an address of nothing");
  for (const char c : address.host)
    LG_CHECK(c > ' ' && c < 0x7f && c != '\'' && c != '`', "an address unfit for a log");
}

// A bucket that got the answer still keeps to its limit.
void check_lease(const LeaseAnswer& answer) {
  constexpr std::uint64_t kNow = 3600'000'000'000;
  const LeaseView view{.up = true, .gateways = 2, .connection = 1, .life_ns = 1'000'000'000};
  Lease lease{};
  lease.policy = &kPolicy;
  for (int i = 0; i < 3; ++i) lease_take(lease, view, kNow, 2);
  const LeaseCall call = lease_begin(lease, 1, view, kNow, false);
  lease_answered(lease, call, answer, view, kNow);
  LG_CHECK(lease.old_tokens + lease.fresh_tokens <= call.want, "more than was asked for");
  std::uint32_t allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += lease_take(lease, view, kNow, 1).decision.allowed ? 1 : 0;
  LG_CHECK(allowed <= 2 * kPolicy.bucket.burst, "more than a bucket");
  lease_worth(lease, view, kNow);
  lease_due_ns(lease, view, kNow);
}

void check_reply(const RedisReply& reply) {
  if (auto answer = parse_lease_answer(reply)) check_lease(*answer);
  for (const SlotRange& range : parse_slots(reply, kFrom)) {
    LG_CHECK(range.first <= range.last && range.last < kSlots, "slots that are none");
    check_address(range.master);
  }
}

}  // namespace
}  // namespace lotagate::limit

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lotagate::limit;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  const std::string_view error = input.substr(0, line);
  if (auto redirection = parse_redirection(error, kFrom)) check_address(redirection->to);
  const std::string summary = error_summary(error);
  LG_CHECK(summary.size() <= 120 && summary.find_first_of("\r\n`'\"") == summary.npos, "a summary that tells all");
  for (const char c : summary) LG_CHECK(c >= ' ' && c < 0x7f, "a summary unfit for a log");
  if (line == input.npos) return 0;
  redisReader* reader = bounded_reader();
  redisReaderFeed(reader, input.data() + line + 1, size - line - 1);
  void* reply = nullptr;
  while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != nullptr) {
    check_reply(RedisReply(static_cast<redisReply*>(reply)));
  }
  redisReaderFree(reader);
  return 0;
}
