#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "access/role_directory.h"

namespace lotagate::access {
namespace {

// A usual user: what the reference platform's accounts look like.
StoredGrant usual_grant(const std::string& subject) {
  return StoredGrant(subject, {.subject = subject,
                               .permissions = TextList("agents:read,agents:write,datasets:read,infer:run,models:read,"
                                                       "models:write,training:run,users:read"),
                               .tenant = "ten_5f0c2d9be1a84f7036d1",
                               .plan = "enterprise",
                               .roles = TextList("trainer,analyst,member")});
}

RoleDirectory& filled_directory(const std::vector<std::string>& subjects) {
  static RoleDirectory directory({});
  for (const auto& subject : subjects) {
    auto state = directory.find(subject, {}, nullptr, [](const AccessGrant&) {});
    if (state == DirectoryState::fetch) directory.complete(usual_grant(subject), {});
  }
  return directory;
}

// Argument: users in turn; every thread stands for one worker.
void role_directory_hit(benchmark::State& state) {
  std::vector<std::string> subjects;
  for (int i = 0; i < state.range(0); ++i) subjects.push_back(fmt::format("usr_{:020x}", i));
  static RoleDirectory* directory = nullptr;
  if (state.thread_index() == 0) directory = &filled_directory(subjects);
  std::size_t next = static_cast<std::size_t>(state.thread_index()) * 17 % subjects.size();
  for (auto _ : state) {
    bool allowed = false;
    auto found = directory->find(subjects[next], MonotonicTime(milliseconds(1)), nullptr,
                                 [&](const AccessGrant& grant) { allowed = grant.permissions.contains("infer:run"); });
    benchmark::DoNotOptimize(found);
    benchmark::DoNotOptimize(allowed);
    if (++next == subjects.size()) next = 0;
  }
}
BENCHMARK(role_directory_hit)->Arg(1)->Arg(1000)->Arg(100000);
BENCHMARK(role_directory_hit)->Arg(1000)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace lotagate::access
