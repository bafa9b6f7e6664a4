#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "access/role_directory.h"

namespace lotagate::access {
namespace {

RoleDirectory& filled_directory(const std::vector<std::string>& subjects) {
  static RoleDirectory directory({});
  for (const auto& subject : subjects) {
    auto state = directory.find(subject, {}, nullptr, [](const AccessGrant&) {});
    if (state != DirectoryState::fetch) continue;
    AccessGrant grant;
    grant.permissions = {"models:read", "models:write", "infer:run"};
    grant.roles_joined = "trainer";
    directory.complete(subject, std::move(grant), {});
  }
  return directory;
}

// Argument: users in turn; every thread stands for one worker.
void role_directory_hit(benchmark::State& state) {
  std::vector<std::string> subjects;
  for (int i = 0; i < state.range(0); ++i) subjects.push_back("user-" + std::to_string(i));
  static RoleDirectory* directory = nullptr;
  if (state.thread_index() == 0) directory = &filled_directory(subjects);
  std::size_t next = static_cast<std::size_t>(state.thread_index()) * 17 % subjects.size();
  for (auto _ : state) {
    std::size_t permissions = 0;
    auto found = directory->find(subjects[next], MonotonicTime(milliseconds(1)), nullptr,
                                 [&](const AccessGrant& grant) { permissions = grant.permissions.size(); });
    benchmark::DoNotOptimize(found);
    benchmark::DoNotOptimize(permissions);
    if (++next == subjects.size()) next = 0;
  }
}
BENCHMARK(role_directory_hit)->Arg(1)->Arg(1000)->Arg(50000);
BENCHMARK(role_directory_hit)->Arg(1000)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace lotagate::access
