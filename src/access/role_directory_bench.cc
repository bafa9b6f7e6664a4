#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "access/api_key.h"
#include "access/role_directory.h"

namespace lotagate::access {
namespace {

// A usual user: what the reference platform's accounts look like.
StoredGrant usual_grant(std::string_view subject) {
  return StoredGrant(subject, {.subject = subject,
                               .permissions = TextList("agents:read,agents:write,datasets:read,infer:run,models:read,"
                                                       "models:write,training:run,users:read"),
                               .tenant = "ten_5f0c2d9be1a84f7036d1",
                               .plan = "enterprise",
                               .roles = TextList("trainer,analyst,member")});
}

// The 24 characters of a subject, written in place: reading it from a table would cost more than the directory does.
class Subject {
 public:
  std::string_view text(std::uint32_t number) {
    for (std::size_t i = text_.size(); i > text_.size() - 8; --i) {
      text_[i - 1] = static_cast<char>('a' + (number & 15));
      number >>= 4;
    }
    return {text_.data(), text_.size()};
  }

 private:
  std::array<char, 24> text_{'u', 's', 'r', '_', '5', 'f', '0', 'c', '2', 'd', '9', 'b', '7', 'e', '1', '3'};
};

RoleDirectory& filled_directory(std::uint32_t users) {
  static RoleDirectory directory({.max_entries = 200000});
  Subject subject;
  for (std::uint32_t i = 0; i < users; ++i) {
    auto state = directory.find(subject.text(i), {}, nullptr, [](const AccessGrant&) {});
    if (state == DirectoryState::fetch) directory.complete(usual_grant(subject.text(i)), {});
  }
  return directory;
}

// Argument: users, asked for in an order that no cache foresees; every thread stands for one worker.
void role_directory_hit(benchmark::State& state) {
  static RoleDirectory* directory = nullptr;
  auto users = static_cast<std::uint32_t>(state.range(0));
  if (state.thread_index() == 0) directory = &filled_directory(users);
  Subject subject;
  std::uint32_t next = static_cast<std::uint32_t>(state.thread_index()) * 17;
  for (auto _ : state) {
    next = next * 1664525 + 1013904223;
    auto user = static_cast<std::uint32_t>(std::uint64_t{next} * users >> 32);
    bool allowed = false;
    auto found = directory->find(subject.text(user), MonotonicTime(milliseconds(1)), nullptr,
                                 [&](const AccessGrant& grant) { allowed = grant.permissions.contains("infer:run"); });
    benchmark::DoNotOptimize(found);
    benchmark::DoNotOptimize(allowed);
  }
}
BENCHMARK(role_directory_hit)->Arg(1)->Arg(1000)->Arg(100000);
BENCHMARK(role_directory_hit)->Arg(1000)->Threads(2)->UseRealTime();

void api_key_digest(benchmark::State& state) {
  for (auto _ : state) {
    ApiKeyDigest digest("lgk_0123456789012345678901234567890123456789012");
    benchmark::DoNotOptimize(digest);
  }
}
BENCHMARK(api_key_digest);

}  // namespace
}  // namespace lotagate::access
