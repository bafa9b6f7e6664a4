#include "access/permission.h"

#include <gtest/gtest.h>

#include <string>

namespace lotagate::access {
namespace {

TEST(Permission, HasTwoParts) {
  for (auto good : {"models:read", "*:*", "models:*", "*:read", "a-b.c_d:X9"})
    EXPECT_TRUE(valid_permission(good)) << good;
  for (std::string_view bad : {"", ":", "models", "models:", ":read", "a:b:c", "mod*:read", "models:re*", "**:read",
                               "models :read", "models:read ", "a,b:c", "a;b:c", "\xC3\xA9:read", "a\n:b", "a/b:c"}) {
    EXPECT_FALSE(valid_permission(bad)) << bad;
  }
  EXPECT_TRUE(valid_permission(std::string(64, 'a') + ":b"));
  EXPECT_FALSE(valid_permission(std::string(65, 'a') + ":b"));
}

TEST(Permission, AStarStandsForAWholePart) {
  EXPECT_TRUE(permission_covers("models:read", "models:read"));
  EXPECT_TRUE(permission_covers("models:*", "models:write"));
  EXPECT_TRUE(permission_covers("*:read", "models:read"));
  EXPECT_TRUE(permission_covers("*:*", "models:read"));
  EXPECT_FALSE(permission_covers("models:read", "models:write"));
  EXPECT_FALSE(permission_covers("models:read", "models:rea"));
  EXPECT_FALSE(permission_covers("model:read", "models:read"));
  EXPECT_FALSE(permission_covers("Models:read", "models:read"));
  EXPECT_FALSE(permission_covers("*:read", "models:write"));
}

TEST(Permission, OnlyTheHoldersStarIsAWildcard) {
  EXPECT_FALSE(permission_covers("models:read", "models:*"));
  EXPECT_FALSE(permission_covers("models:read", "*:read"));
  EXPECT_TRUE(permission_covers("models:*", "models:*"));
  EXPECT_FALSE(permission_covers("models", "models:read"));
  EXPECT_FALSE(permission_covers("", ""));
}

}  // namespace
}  // namespace lotagate::access
