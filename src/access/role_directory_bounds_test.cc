// How much the directory keeps, and whom it lets go.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <string>
#include <vector>

#include "access/role_directory.h"

namespace lotagate::access {
namespace {

using enum DirectoryState;

std::string subject_of(std::size_t i) { return fmt::format("usr_{:020x}", i); }

// What the accounts of the reference platform look like: 24 characters of subject, 3 roles, 8 permissions.
StoredGrant usual_grant(std::string_view subject) {
  return StoredGrant(subject, {.subject = subject,
                               .permissions = TextList("agents:read,agents:write,datasets:read,infer:run,models:read,"
                                                       "models:write,training:run,users:read"),
                               .tenant = "ten_5f0c2d9be1a84f7036d1",
                               .plan = "enterprise",
                               .roles = TextList("trainer,analyst,member")});
}

// As large as the service may answer.
StoredGrant large_grant(std::string_view subject) {
  std::string permissions;
  while (permissions.size() < 60 * 1024) permissions += "resource-" + std::to_string(permissions.size()) + ":read,";
  permissions.pop_back();
  return StoredGrant(subject, {.subject = subject, .permissions = TextList(permissions)});
}

DirectoryState find(RoleDirectory& directory, std::string_view subject) {
  return directory.find(subject, {}, nullptr, [](const AccessGrant&) {});
}

// Finds `grant`'s user, looking up if need be.
void use(RoleDirectory& directory, StoredGrant grant) {
  if (find(directory, grant.key()) == fetch) directory.complete(std::move(grant), {});
}

TEST(RoleDirectoryBounds, AHundredThousandUsualUsersFitInto64MiB) {
  constexpr std::size_t kUsers = 100000;
  constexpr std::size_t kBound = 64 * 1024 * 1024;
  std::size_t before = mallinfo2().uordblks;
  RoleDirectory directory({.max_entries = 2 * kUsers, .max_bytes = kBound});
  for (std::size_t i = 0; i < kUsers; ++i) use(directory, usual_grant(subject_of(i)));
  auto stats = directory.stats();
  EXPECT_EQ(stats.entries, kUsers);
  EXPECT_EQ(stats.evictions, 0u);
  RecordProperty("bytes_per_user", std::to_string(stats.bytes / kUsers));

  std::size_t allocated = mallinfo2().uordblks - before;
  if (mallinfo2().uordblks == 0) return;  // an allocator that does not tell (sanitizers)
  EXPECT_LE(allocated, kBound);
  EXPECT_LT(allocated, stats.bytes + stats.bytes / 10) << "what is counted is what is allocated";
  EXPECT_GT(allocated, stats.bytes - stats.bytes / 5);
}

TEST(RoleDirectoryBounds, LargeAnswersAreBoundedByBytes) {
  RoleDirectory directory({.max_bytes = kMinDirectoryBytes});
  for (std::size_t i = 0; i < 1000; ++i) {
    use(directory, large_grant(subject_of(i)));
    ASSERT_LE(directory.stats().bytes, kMinDirectoryBytes);
    ASSERT_EQ(find(directory, subject_of(i)), fresh) << "each is kept for a while";
  }
  auto stats = directory.stats();
  EXPECT_GT(stats.entries, kMinDirectoryBytes / (64 * 1024) / 2) << "the room is used";
  EXPECT_EQ(stats.entries + stats.evictions, 1000u);
}

TEST(RoleDirectoryBounds, AnAnswerThatGrowsMakesRoomAtTheCostOfOthers) {
  RoleDirectory directory({.max_bytes = kMinDirectoryBytes});
  for (std::size_t i = 0; i < 100000; ++i) use(directory, usual_grant(subject_of(i)));
  std::uint64_t before = directory.stats().entries;
  for (std::size_t i = 0; i < 64; ++i) use(directory, large_grant("large-" + std::to_string(i)));
  auto stats = directory.stats();
  EXPECT_LE(stats.bytes, kMinDirectoryBytes);
  EXPECT_LT(stats.entries, before - 64 * 60);
}

TEST(RoleDirectoryBounds, WithoutAnythingToEvictALargeAnswerIsNotKept) {
  RoleDirectory directory({.max_bytes = kMinDirectoryBytes});
  // Large answers that are all being refreshed: nothing may go.
  std::vector<std::string> refreshing;
  for (std::size_t i = 0; i < 512; ++i) {
    std::string subject = subject_of(i);
    if (find(directory, subject) != fetch) continue;
    directory.complete(large_grant(subject), {});
    if (directory.find(subject, MonotonicTime(seconds(6)), nullptr, [](const AccessGrant&) {}) == stale_refresh) {
      refreshing.push_back(subject);
    }
  }
  auto stats = directory.stats();
  EXPECT_LE(stats.bytes, kMinDirectoryBytes);
  EXPECT_GT(stats.failures, 0u) << "counted";
  for (const auto& subject : refreshing) directory.complete(unknown_grant(subject), {});
}

TEST(RoleDirectoryBounds, AFloodOfUnknownSubjectsDrivesNoKnownUserOut) {
  constexpr std::size_t kRoom = 6400;
  constexpr std::size_t kKnown = 3000;  // seven eighths of the room are 5,600, but stripes are not filled evenly
  RoleDirectory directory({.max_entries = kRoom});
  for (std::size_t i = 0; i < kKnown; ++i) use(directory, usual_grant(subject_of(i)));
  for (std::size_t i = 0; i < 20 * kRoom; ++i) {
    std::string made_up = "made-up-" + std::to_string(i);
    // Each asked twice: a second chance among its like.
    use(directory, unknown_grant(made_up));
    find(directory, made_up);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < kKnown; ++i) {
    auto state = find(directory, subject_of(i));
    kept += state == fresh;
    if (state == fetch) directory.fail(subject_of(i), {}, LookupFailure::not_asked);
  }
  EXPECT_EQ(kept, kKnown) << "though nobody asked for them meanwhile";
  EXPECT_LE(directory.stats().entries, kRoom);
}

TEST(RoleDirectoryBounds, AFloodOfKnownUsersLeavesThoseWhoAreActive) {
  constexpr std::size_t kRoom = 6400;
  RoleDirectory directory({.max_entries = kRoom});
  for (std::size_t i = 0; i < 100; ++i) use(directory, usual_grant(subject_of(i)));
  for (std::size_t i = 0; i < 10 * kRoom; ++i) {
    use(directory, usual_grant("other-" + std::to_string(i)));
    ASSERT_EQ(find(directory, subject_of(i % 100)), fresh) << i;
  }
}

TEST(RoleDirectoryBounds, AUserMayBecomeKnownAndUnknownAgain) {
  constexpr std::size_t kRoom = 640;
  RoleDirectory directory({.max_entries = kRoom});
  use(directory, unknown_grant("u"));
  directory.invalidate("u");
  use(directory, usual_grant("u"));
  for (std::size_t i = 0; i < 10 * kRoom; ++i) use(directory, unknown_grant("made-up-" + std::to_string(i)));
  EXPECT_EQ(find(directory, "u"), fresh) << "known now";
  directory.invalidate("u");
  use(directory, unknown_grant("u"));
  for (std::size_t i = 0; i < 10 * kRoom; ++i) use(directory, unknown_grant("others-" + std::to_string(i)));
  EXPECT_EQ(find(directory, "u"), fetch) << "deleted, and forgotten";
  directory.fail("u", {});
}

}  // namespace
}  // namespace lotagate::access
